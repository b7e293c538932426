"""HTTP in, HTTP out: what is asked is parsed, one service is asked, its answer is spelled."""
