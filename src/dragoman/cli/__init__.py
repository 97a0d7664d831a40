"""The command line. One small module for each group of commands; heavy imports wait for use."""
