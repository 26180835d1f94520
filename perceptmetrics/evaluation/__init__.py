"""How well a metric agrees with people on rated images (section 5, appendix A)."""
