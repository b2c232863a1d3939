//! The addresses of this site, each written once: handlers, templates and mails build theirs here.

use std::fmt::Display;

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident($($id:ident),*) = $template:literal;)+) => {
        $($(#[$doc])* pub fn $name($($id: impl Display),*) -> String { format!($template) })+

        /// Every path of this module, with the names of its ids in braces.
        pub const TEMPLATES: &[&str] = &[$($template),+];
    };
}

paths! {
    /// The list of sales.
    sales() = "/";
    sale(sale) = "/sales/{sale}";
    join(sale) = "/sales/{sale}/join";
    line(sale) = "/sales/{sale}/line";
    leave(sale) = "/sales/{sale}/line/leave";
    enter(sale) = "/sales/{sale}/enter";
    checkout(sale) = "/sales/{sale}/checkout";
    order(order) = "/orders/{order}";
    pay(order) = "/orders/{order}/pay";
    cancel(order) = "/orders/{order}/cancel";
}

/// The seller's console.
pub mod console {
    use std::fmt::Display;

    paths! {
        home() = "/console";
        sign_in(secret) = "/console/sign-in/{secret}";
        sign_out() = "/console/sign-out";
        reset_demo() = "/console/demo/reset";
        sales() = "/console/sales";
        new_sale() = "/console/sales/new";
        sale(sale) = "/console/sales/{sale}";
        edit_sale(sale) = "/console/sales/{sale}/edit";
        admission(sale) = "/console/sales/{sale}/admission";
        pause(sale) = "/console/sales/{sale}/pause";
        resume(sale) = "/console/sales/{sale}/resume";
        close(sale) = "/console/sales/{sale}/close";
        orders(sale) = "/console/sales/{sale}/orders";
        mailbox() = "/console/mailbox";
        mail(mail) = "/console/mailbox/{mail}";
    }

    /// The page of a sale after a change was saved.
    pub fn saved_sale(id: impl Display) -> String {
        format!("{}?saved=1", sale(id))
    }
}

/// The API.
pub mod api {
    use std::fmt::Display;

    paths! {
        sales() = "/v1/sales";
        sale(sale) = "/v1/sales/{sale}";
        frame(sale) = "/v1/sales/{sale}/frame";
        tickets(sale) = "/v1/sales/{sale}/tickets";
        own_ticket(sale) = "/v1/sales/{sale}/tickets/self";
        passes(sale) = "/v1/sales/{sale}/passes";
        orders(sale) = "/v1/sales/{sale}/orders";
        verify(sale) = "/v1/sales/{sale}/verify";
        order(order) = "/v1/orders/{order}";
        payments(order) = "/v1/orders/{order}/payments";
        sellers() = "/v1/sellers";
        openapi() = "/openapi.json";
    }
}

/// The parts of a path between its slashes.
pub(crate) fn segments(path: &str) -> Vec<&str> {
    path.trim_start_matches('/').split('/').collect()
}
