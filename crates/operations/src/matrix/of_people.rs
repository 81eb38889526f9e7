//! The rows of what people do about themselves, and of links for one person.

use super::*;
use crate::{factors, links, login, my_sessions, passkeys, profiles};

fn site() -> passkeys::Site {
    passkeys::Site::of("http://localhost:8250").unwrap()
}

/// Returns the rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        row!("login::prove_again", Token, [], |s, c, i| login::prove_again(s, c, login::Proof::default()).await),
        row!("factors::show", Token, [], |s, c, i| factors::show(s, c).await),
        row!("factors::begin_otp", Token, [], |s, c, i| factors::begin_otp(s, c).await),
        row!("factors::waiting_otp", Token, [], |s, c, i| factors::waiting_otp(s, c).await),
        row!("factors::confirm_otp", Token, [], |s, c, i| factors::confirm_otp(s, c, "none").await),
        row!("factors::remove_otp", Token, [], |s, c, i| factors::remove_otp(s, c).await),
        row!("factors::new_recovery_codes", Token, [], |s, c, i| factors::new_recovery_codes(s, c).await),
        row!("factors::type_back", Token, [], |s, c, i| factors::type_back(s, c, "none").await),
        row!("my_sessions::list", Token, [], |s, c, i| my_sessions::list(s, c).await),
        row!("my_sessions::end", Token, [], |s, c, i| my_sessions::end(s, c, Uuid::nil()).await),
        row!("my_sessions::end_others", Token, [], |s, c, i| my_sessions::end_others(s, c).await),
        row!("passkeys::list", Token, [], |s, c, i| passkeys::list(s, c).await),
        row!("passkeys::begin", Token, [], |s, c, i| passkeys::begin(s, c, &site()).await),
        row!("passkeys::finish", Token, [], |s, c, i| {
            passkeys::finish(s, c, &site(), Uuid::nil(), "{}", "phone").await
        }),
        row!("passkeys::remove", Token, [], |s, c, i| passkeys::remove(s, c, Uuid::nil()).await),
        row!("people::find", Token, [Admin], |s, c, i| people::find(s, c, "nobody@example.com").await),
        row!("profiles::all", Token, [Admin], |s, c, i| profiles::all(s, c, part()).await),
        row!("profiles::show", Admin, [Admin], |s, c, i| profiles::show(s, c, i.user).await),
        row!("links::invite", Admin, [Admin], |s, c, i| links::invite(s, c, text("no address"), None, None).await),
        // A new link replaces the earlier one.
        row!("links::invite_again", Admin, [Admin], |s, c, i| links::invite_again(s, c, i.user).await),
        row!("links::reset", Owner, [Admin], |s, c, i| links::reset(s, c, i.user).await),
        row!("links::list", Admin, [Admin], |s, c, i| links::list(s, c, i.user).await),
        row!("links::withdraw", Admin, [Admin], |s, c, i| links::withdraw(s, c, i.user, Uuid::nil()).await),
    ]
}
