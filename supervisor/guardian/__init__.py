"""The guardian: the small process between the owner and the master that brings the master back."""
