//! What no type says: an entry must hang together, and every statement in it must be founded.

use url::Url;

use super::party::{AudienceRule, Dialect, Encoding, Method, Party, Place, Rule, Setting};

/// Says what is wrong with an entry.
pub(super) fn check(party: &Party, file: &str) -> Result<(), String> {
    let wrong = |found: bool, what: &str| if found { Err(what.to_owned()) } else { Ok(()) };
    wrong(party.name != file, "`name` is not the name of the file")?;
    wrong(party.title.is_empty() || party.about.is_empty(), "`title` or `about` is empty")?;
    check_founded(party)?;
    check_request(party)?;
    check_settings(party)?;
    check_audience(party)?;
    check_answer(party)?;
    let times = [party.lifetime.seconds, party.lifetime.longest];
    wrong(times.into_iter().flatten().any(|seconds| seconds <= 0), "[lifetime] is not above 0")?;
    wrong(party.claims.needed.is_empty(), "[claims] needs none")
}

/// Every section has a page behind it, or says that it has none.
fn check_founded(party: &Party) -> Result<(), String> {
    let sections = [
        ("request", &party.request.source, &party.request.unconfirmed),
        ("audience", &party.audience.source, &party.audience.unconfirmed),
        ("claims", &party.claims.source, &party.claims.unconfirmed),
        ("lifetime", &party.lifetime.source, &party.lifetime.unconfirmed),
        ("answer", &party.answer.source, &party.answer.unconfirmed),
        ("refusal", &party.refusal.source, &party.refusal.unconfirmed),
    ];
    let rules = party.refusal.rule.iter().map(|rule| ("refusal.rule", &rule.source, &rule.unconfirmed));
    for (section, source, unconfirmed) in sections.into_iter().chain(rules) {
        if source.is_empty() && unconfirmed.is_empty() {
            return Err(format!("[{section}] has neither `source` nor `unconfirmed`"));
        }
        if let Some(address) = source.iter().find(|text| !text.starts_with("https://") || Url::parse(text).is_err()) {
            return Err(format!("[{section}]: {address} is not the address of a page"));
        }
        if unconfirmed.iter().any(String::is_empty) {
            return Err(format!("[{section}]: `unconfirmed` says nothing"));
        }
    }
    Ok(())
}

fn check_request(party: &Party) -> Result<(), String> {
    let request = &party.request;
    let wrong = |found: bool, what: &str| if found { Err(format!("[request]: {what}")) } else { Ok(()) };
    let sends = request.dialect != Dialect::Presented;
    let members = request.setting.iter().any(|setting| setting.place == Place::Member);
    let shows = matches!(request.dialect, Dialect::TokenExchange | Dialect::JwtBearer | Dialect::Login);
    let in_body = matches!(request.encoding, Encoding::Form | Encoding::Json);
    let rooted = request.path.starts_with('/');
    wrong(sends != rooted, "`path` must begin with `/`, and stand only where something is sent")?;
    let half = |segment: &str| segment.contains('{') && !(segment.starts_with('{') && segment.ends_with('}'));
    wrong(request.path.split('/').any(half), "a setting is a whole segment of `path`")?;
    let login = request.dialect == Dialect::Login;
    wrong(login != request.token.is_some(), "`token` stands with `login`, and only there")?;
    wrong(sends == request.prefix.is_some(), "`prefix` stands with `presented`, and only there")?;
    wrong(request.encoding == Encoding::None && (members || shows), "`encoding` is missing")?;
    wrong(shows && !in_body, "a token does not belong into an address")?;
    wrong(request.method == Method::Get && in_body, "`get` has no body")?;
    match &request.origin {
        Some(_) if !sends => wrong(true, "`origin` without anything that is sent"),
        Some(origin) => {
            let url = Url::parse(origin).ok().filter(|url| url.scheme() == "https" && url.path() == "/");
            wrong(url.is_none() || origin.ends_with('/'), "`origin` is not https://host")
        }
        None => Ok(()),
    }
}

/// What is named in braces is a setting of that place, and the other way round.
fn check_settings(party: &Party) -> Result<(), String> {
    let request = &party.request;
    for (at, setting) in request.setting.iter().enumerate() {
        let (name, begins) = (&setting.name, &setting.starts_with);
        let same = |other: &Setting| other.name == *name || other.wire_name() == setting.wire_name();
        if request.setting.iter().take(at).any(same) {
            return Err(format!("{name} is there twice"));
        }
        if name.is_empty() || setting.about.is_empty() || (setting.required && setting.default.is_some()) {
            return Err(format!("the setting {name} lacks a name or a description, or is required and has a default"));
        }
        let one = |value: &String| setting.one_of.is_empty() || setting.one_of.contains(value);
        let begun = |value: &String| begins.is_empty() || begins.iter().any(|begin| value.starts_with(begin));
        if setting.default.as_ref().is_some_and(|value| !one(value) || !begun(value)) {
            return Err(format!("the default of {name} is not one of its values"));
        }
        let template = match setting.place {
            Place::Member => continue,
            Place::Segment | Place::Path => &request.path,
            Place::Prefix => request.prefix.as_ref().unwrap_or(&request.path),
        };
        if !names(template)?.contains(&name.as_str()) || !(setting.required || setting.default.is_some()) {
            return Err(format!("{name} is not where its `place` says, or may be missing there"));
        }
    }
    let in_path = |place: Place| matches!(place, Place::Segment | Place::Path);
    check_names(party, &request.path, in_path)?;
    check_names(party, request.prefix.as_deref().unwrap_or_default(), |place| place == Place::Prefix)?;
    check_names(party, party.audience.default.as_deref().unwrap_or_default(), |_| true)
}

/// What a template names is always there, and meant for it.
fn check_names(party: &Party, template: &str, fits: impl Fn(Place) -> bool) -> Result<(), String> {
    for name in names(template)? {
        let known = |setting: &Setting| {
            setting.name == name && fits(setting.place) && (setting.required || setting.default.is_some())
        };
        if !party.request.setting.iter().any(known) {
            return Err(format!("{{{name}}} is no setting that is always there, and meant to be there"));
        }
    }
    Ok(())
}

/// The names in braces.
fn names(template: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    for part in template.split('{').skip(1) {
        let (name, _) = part.split_once('}').ok_or_else(|| format!("`{template}` has an open brace"))?;
        found.push(name);
    }
    Ok(found)
}

fn check_audience(party: &Party) -> Result<(), String> {
    let audience = &party.audience;
    let given = audience.default.as_deref().is_some_and(|text| !text.is_empty());
    if given == (audience.rule == AudienceRule::Configured) {
        return Err("[audience]: `default` stands with `fixed` and `default`, and only there".to_owned());
    }
    Ok(())
}

fn check_answer(party: &Party) -> Result<(), String> {
    let answer = &party.answer;
    let places = [&answer.token, &answer.expires_in, &answer.expires, &answer.scope, &answer.kind];
    let refusal = party.refusal.code.iter().chain(&party.refusal.message);
    if let Some(place) = places.into_iter().flatten().chain(refusal).find(|place| !place.starts_with('/')) {
        return Err(format!("{place} is not a JSON pointer"));
    }
    if answer.token.is_some() == (party.request.dialect == Dialect::Presented) {
        return Err("[answer]: `token` stands where something is asked, and only there".to_owned());
    }
    if answer.kind.is_some() != answer.type_is.is_some() {
        return Err("[answer]: `type` and `type_is` stand together".to_owned());
    }
    if answer.expiry_needed && answer.expires_in.is_none() && answer.expires.is_none() {
        return Err("[answer]: `expiry_needed` without a place for it".to_owned());
    }
    let silent = !answer.expiry_needed && party.lifetime.seconds.is_none() && !party.lifetime.ends_with_token;
    if silent {
        return Err("[lifetime]: nothing says how long an answer without end counts".to_owned());
    }
    let rules = &party.refusal.rule;
    if rules.iter().any(|rule| rule.status.is_none() && rule.code.is_none() && rule.says.is_none()) {
        return Err("[refusal.rule]: one fits everything".to_owned());
    }
    let unread = |rule: &Rule| {
        (rule.code.is_some() && party.refusal.code.is_empty())
            || (rule.says.is_some() && party.refusal.message.is_empty())
            || rule.clause.is_empty()
            || rule.fix.is_empty()
    };
    if rules.iter().any(unread) {
        return Err("[refusal.rule]: one asks for what is not read, or does not say clause and fix".to_owned());
    }
    Ok(())
}
