"""From what a catalog says to a schema model: views, fields, keys and relationships.

Pure: tables and a connection's conventions go in, definitions come out.
"""
