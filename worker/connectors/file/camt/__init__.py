"""CAMT.052, 053 and 054: XML in pieces, its statements, their entries."""
