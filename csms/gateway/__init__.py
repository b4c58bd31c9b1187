"""The door for stations: sockets, logins, lanes and the way of commands to the boxes."""
