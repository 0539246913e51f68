"""Measurements that anyone can repeat; README.md beside this file says how and what came out."""
