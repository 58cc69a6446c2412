"""Stand-ins for parts that are slow or need a device."""
