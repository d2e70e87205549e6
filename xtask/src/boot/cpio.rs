//! Writes cpio archives in the "new ASCII" format (cpio(5)), as Linux unpacks them at its start.
