"""Needs: what cars of ISO 15118 ask for, and the schedules by which they mean to charge."""
