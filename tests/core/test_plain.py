"""Values as text: equal texts mean equal values, by the short way too."""

import json

from hypothesis import given
from hypothesis import strategies as st

from core.plain import canonical, canonical_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_a_value_that_was_read_from_json_has_the_same_text_by_the_short_way(value):
    read = json.loads(json.dumps(value))
    assert canonical_json(read) == canonical(read)


def test_a_number_is_the_same_however_it_was_written():
    assert canonical_json(json.loads('{"b": 1.0, "a": [1e22]}')) == '{"a": [10000000000000000000000], "b": 1}'
