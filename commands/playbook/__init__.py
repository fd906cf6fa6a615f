"""Lessons from sessions: propose and judge them, see what they change, put them into prompts, retire them."""
