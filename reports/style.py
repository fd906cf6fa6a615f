"""The style sheet of HTML reports: light, dark, print and phone."""

STYLE = """
:root{--ink:#1c2330;--soft:#5b6575;--line:#dde2ea;--paper:#fff;--card:#f7f8fa;--good:#0b6e4f;--goodbg:#e3f4ec;
--bad:#a3301c;--badbg:#fbe9e5;--open:#7a5a00;--openbg:#fdf3d7;--note:#34507a;--notebg:#e8eef8;--blue:#0072b2;--orange:#d55e00}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa5b5;--line:#343c49;--paper:#14181f;--card:#1c222c;
--good:#6fd3ac;--goodbg:#12312a;--bad:#f0a08f;--badbg:#3a1d18;--open:#ecc766;--openbg:#352b10;--note:#a9c3ee;--notebg:#1b2638;
--blue:#56b4e9;--orange:#e69f00}}
*{box-sizing:border-box}a,a:visited{color:var(--blue)}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}h1{font-size:1.35rem;margin:.2rem 0 1rem;font-weight:600}
h2{font-size:1.12rem;margin:2.4rem 0 .7rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .4rem}p{margin:.5rem 0}ul{margin:.4rem 0;padding-left:1.2rem}
.banner{border-radius:.6rem;padding:1rem 1.2rem;margin:.8rem 0}.banner b{display:block;font-size:1.5rem;letter-spacing:.02em}
.banner.note b{font-size:1rem}.good{background:var(--goodbg);color:var(--good)}.bad{background:var(--badbg);color:var(--bad)}
.open{background:var(--openbg);color:var(--open)}.note{background:var(--notebg);color:var(--note);font-size:.92rem}
.banner span{color:var(--ink)}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}dl{display:grid;grid-template-columns:minmax(9rem,18rem) 1fr;gap:.25rem 1rem;
margin:.6rem 0;font-size:.92rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
code,pre{font:.84rem/1.5 ui-monospace,Menlo,Consolas,monospace}pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.commands div{background:var(--card);border-radius:.4rem;padding:.45rem .7rem;margin:.35rem 0}.commands small{color:var(--soft);display:block}
.diff{border:1px solid var(--line);border-radius:.5rem;overflow:hidden}.diff pre{padding:.05rem .7rem}
.add{background:var(--goodbg)}.del{background:var(--badbg)}.diff .add::before{content:"+ "}.diff .del::before{content:"- "}
.diff .same{color:var(--soft)}.diff .same::before{content:"  "}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;background:var(--card)}summary{cursor:pointer;padding:.5rem .8rem}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.8rem;padding:.2rem .8rem .8rem}
.sides h4{margin:.2rem 0;font-size:.8rem;color:var(--soft);font-weight:600}
svg{max-width:100%;height:auto;display:block}svg text{fill:var(--ink);font:13px system-ui,sans-serif}
svg .soft{fill:var(--soft)}svg .axis{stroke:var(--line)}svg .zero{stroke:var(--soft);stroke-dasharray:4 3}
svg .point{fill:var(--blue)}svg .best{stroke:var(--blue);fill:none;stroke-width:2}svg .level{stroke:var(--orange);stroke-dasharray:6 4}
svg .bar{stroke:var(--blue);stroke-width:3}svg .range{stroke:var(--blue);stroke-width:14;opacity:.22}svg .ring{fill:var(--paper);stroke:var(--blue);stroke-width:2.5}.narrow{display:none}.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem}
td.hit{background:var(--goodbg)}td.miss{background:var(--badbg)}
.scroll{max-width:100%}.scroll tbody td:first-child,.scroll th:first-child{position:sticky;left:0;background:var(--paper);min-width:9rem;overflow-wrap:break-word}td.n{white-space:nowrap}
tfoot td{border-top:2px solid var(--line);font-weight:600}th button{all:unset;cursor:pointer;padding:.2rem 0}th button:focus-visible{outline:2px solid var(--blue)}
th button::after{content:" \\2195";opacity:.8}th[aria-sort=ascending] button::after{content:" \\25B2";opacity:1}th[aria-sort=descending] button::after{content:" \\25BC";opacity:1}
.filter{display:block;margin:.5rem 0;font-size:.9rem;color:var(--soft)}.filter input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);
border-radius:.4rem;padding:.3rem .6rem;width:min(20rem,60vw)}
table.heat{border-collapse:separate;border-spacing:4px;table-layout:auto}.heat th{vertical-align:bottom;border:0;z-index:1}.scroll .heat th:first-child{min-width:3.2rem;max-width:9rem}.heat tbody th{vertical-align:middle}
.heat td{border:1px solid var(--line);border-radius:.4rem;min-width:8.5rem;padding:.45rem .6rem}.heat td b{font-size:1.15rem;display:block;font-variant-numeric:tabular-nums;color:var(--ink)}
.heat td small{display:block;color:var(--ink);font-size:.8rem}.heat td em{font-style:normal;font-weight:600;display:block}.heat td small.problem{color:var(--bad);font-weight:600}
.heat td.none{color:var(--soft)}.strip{width:100%;height:.75rem;margin:.15rem 0}.strip path{vector-effect:non-scaling-stroke}.strip .axis{stroke:var(--line)}.strip .spread{stroke:currentColor;stroke-width:4;opacity:.55}.strip .dot{stroke:var(--ink);stroke-width:3}
svg .whisker{stroke:var(--ink);stroke-width:1.5;fill:none;opacity:.65}
.scatter{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:flex-start}.scatter>.scroll{flex:0 1 520px;min-width:0}.key{flex:1 1 14rem;margin:0;padding-left:1.9rem;font-size:.88rem}
.key li{margin:.15rem 0}.key small{display:block;color:var(--soft)}.key small span{background:none;font-size:inherit}svg .mark{stroke-width:2;stroke:var(--paper)}
svg .mark.good{fill:var(--good)}svg .mark.bad{fill:var(--bad)}svg .mark.open{fill:var(--paper);stroke:var(--open)}svg .mark.note{fill:var(--note)}svg .name{font-weight:700}.scatter text{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
@media screen and (min-width:75rem){.scroll:has(.filterable){max-width:none;width:min(78rem,97vw);margin-left:calc(50% - min(39rem,48.5vw))}}
.toc{font-size:.9rem;background:none}.toc ul{columns:2 14rem;padding:0 .8rem .6rem 1.8rem}details>dl{padding:0 .8rem .6rem}
.full pre{padding:.2rem .8rem .8rem;max-height:34rem;overflow:auto}.copied{position:relative}.copied>button,.full>button{font:inherit;font-size:.78rem;cursor:pointer;float:right;margin:.1rem .3rem;
padding:.1rem .5rem;border:1px solid var(--line);border-radius:.3rem;background:var(--paper);color:var(--ink)}.diff b{font-weight:700;text-decoration:underline;text-decoration-thickness:2px}
.rows{font-size:.82rem}.rows td{min-width:4.5rem}.rows td:nth-child(n+5){min-width:12rem;max-width:22rem}.rows td:nth-child(n+5)>pre,.rows .field pre{max-height:9rem;overflow:auto}
.rows details{margin:0;background:none;border:0}.rows summary{padding:0;overflow-wrap:anywhere}.rows pre{font-size:.78rem}.rows small{color:var(--soft)}
.meter{display:block;height:.35rem;width:4.5rem;margin:.25rem 0 0 auto;background:var(--card)}.meter i{display:block;height:100%;background:var(--soft)}.meter.gain i{background:var(--good)}.meter.loss i{background:var(--bad)}
.field{padding:.1rem .35rem;margin:.15rem 0;border-left:3px solid var(--line)}.field.hit{background:var(--goodbg);border-color:var(--good)}.field.miss{background:var(--badbg);border-color:var(--bad)}.field.part{background:var(--openbg);border-color:var(--open)}.field small{color:var(--ink)}
.lineage .scroll svg{max-width:none}.born rect{fill:var(--card);stroke:var(--soft);stroke-width:1.5}.born.seed rect{fill:var(--paper);stroke-width:2}.born.merge rect{fill:var(--openbg);stroke:var(--open)}
.born.winner rect{fill:var(--goodbg);stroke:var(--good);stroke-width:3}.born.partly rect{stroke-dasharray:4 3}.born:hover rect,.born:focus rect{stroke:var(--blue);stroke-width:3}.edge{fill:none;stroke:var(--soft);stroke-width:1.5;opacity:.7}
.edge.won{stroke:var(--good);stroke-width:2.5;opacity:1}.edge.merging{stroke-dasharray:5 4}.legend{color:var(--soft);font-size:.9rem}.nodes>details{margin:.3rem .8rem;background:var(--paper)}.nodes{font-size:.9rem;padding-bottom:.2rem}
.changes{padding:0 .8rem .5rem;scroll-margin-top:3rem}.changes h3{font-size:.85rem;margin:.4rem 0}svg .step{fill:var(--blue)}svg .sum{fill:var(--soft)}svg .point.seen{fill-opacity:.6}
svg [class^=q]{fill:var(--blue);fill-opacity:.06}svg .q1{fill-opacity:.22}svg .q2{fill-opacity:.38}svg .q3{fill-opacity:.55}svg .q4{fill-opacity:.75}svg .q5{fill-opacity:1}
.narrow>svg>text{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
@media print{@page{margin:12mm}html{font-size:10.5px}body{font-size:1rem}main{max-width:none;padding:0}h2{margin:.9rem 0 .3rem;break-after:avoid}dl{grid-template-columns:auto 1fr auto 1fr;font-size:.85rem}th,td{padding:.18rem .5rem}.narrow,.copied>button,.full,.full>button,.toc,.nodes,.filter,.legend{display:none}
details{border:0;background:none;margin:.2rem 0}details:not([open])>summary{display:none}.facts::details-content{content-visibility:visible;display:block}.scroll{overflow:visible}th button::after{content:""}tr,.banner,svg{break-inside:avoid}
svg{max-width:40rem}.commands div{padding:.1rem .4rem;margin:.1rem 0}.commands small{display:inline;margin-left:.6rem}.diff{max-height:11cm}.sides pre{max-height:9cm;overflow:hidden}.filterable{font-size:.8rem}.filterable :is(td,th){padding:.15rem}td.n{white-space:normal}
.rows pre,.rows td:nth-child(n+5)>pre,.rows .field pre{max-height:4.5em;overflow:hidden}.rows details>pre{display:none}.rows details>summary{display:block!important}.scroll tbody td:first-child,.scroll th:first-child{min-width:0;position:static}.heat td,.rows td:nth-child(n+5){min-width:0}.heat td{padding:.15rem .3rem}.heat td b{font-size:1rem}.heat .strip{display:none}
.rows .field{display:flex;gap:.4rem}.rows .field pre{max-height:1.5em!important}.pair~.pair{display:none}
.scroll tbody tr:nth-child(n+16),.rows tbody tr:nth-child(n+6){display:none}.scroll:has(tbody tr:nth-child(16))::after{content:"Paper shows the first 15 lines; the page has them all."}
.scroll:has(.rows tbody tr:nth-child(6))::after{content:"Paper shows the first 5 rows; the page has them all."}}
@media (max-width:30rem){dl{grid-template-columns:1fr}dt{margin-top:.4rem}.wide{display:none}.narrow{display:block}.scatter .scroll>svg{min-width:0;max-width:100%}
.scroll>table{width:max-content;min-width:100%}td{max-width:17rem}.scroll tbody td:first-child,.scroll th:first-child{min-width:0;max-width:8rem}
.scroll .heat th:first-child{max-width:4.5rem;padding:.2rem}.heat td{min-width:6.1rem;max-width:7rem;padding:.35rem .4rem}.heat td small{font-size:.74rem}.heat td em{font-size:.84rem}}
"""
STYLE += "".join(f".w{share}{{width:{share}%}}" for share in range(101))
