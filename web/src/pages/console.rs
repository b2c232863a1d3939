//! The seller's console.
