"""What realtime carries: deliveries, changes through policies, their delay, and idle sockets."""
