//! What a kind of mail says.

/// The words of one kind of mail.
pub(super) struct Texts {
    pub(super) subject: &'static str,
    pub(super) opening: String,
}
