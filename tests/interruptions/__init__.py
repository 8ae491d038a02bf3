"""What real machines do to a run: processes killed, disks full, folders read-only, two at once."""
