"""SAP HANA: its proprietary driver behind a tunnel of ours, in read-only transactions."""
