"""Applications of people, let in as them: an authorization server of OAuth."""
