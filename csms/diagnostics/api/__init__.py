"""The doors to what stations log: for people, and for the stations that upload it."""
