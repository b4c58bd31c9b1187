"""The ground floor: the words and the tables that everything else is written in."""
