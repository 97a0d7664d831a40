"""What is done with rows after the database: calculations, totals, filled gaps, measures as rows.

In this process, on Arrow, the same for every database; DuckDB does the arithmetic.
"""
