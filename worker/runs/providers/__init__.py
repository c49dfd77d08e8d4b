"""What is known of providers and banks over all runs: failures, outages, and how much may be asked."""
