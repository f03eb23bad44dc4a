"""A black-box layer tested for the noise it draws."""
