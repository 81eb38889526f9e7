//! hcv
