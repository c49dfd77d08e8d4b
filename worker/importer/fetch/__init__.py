"""From the network to deliveries: requests, pages, staging and the fast path for unchanged responses."""
