"""``ecgmon compare``: many methods, trained and measured alike, in tables and pictures."""
