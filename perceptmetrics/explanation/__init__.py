"""Why a metric says what it says: heads, attention, rivals to attention, pictures (section 6)."""
