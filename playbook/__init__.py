"""What is kept from sessions: entries that say when to do what, whether they are well-formed, and what they change."""
