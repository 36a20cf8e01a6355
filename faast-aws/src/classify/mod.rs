//! What a failure of an AWS service means: the only place that looks at the services' error codes.
//!
//! [`control`] reads the refusals of the services that make, find and remove resources, [`invoke`] those of calls;
//! `advice` has the words for what a user can do.

pub(crate) mod advice;
pub(crate) mod control;
pub(crate) mod invoke;
