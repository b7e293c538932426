"""Alibaba Cloud ECS and STS through the official SDK: changes out, worlds and our errors back."""
