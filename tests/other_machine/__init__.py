"""A machine whose processor gives other bytes than the record's."""
