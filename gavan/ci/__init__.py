"""Files of GitHub Actions and GitLab CI: made from the stack, and judged without a runner."""
