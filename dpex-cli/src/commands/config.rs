//! `dpex config`: each setting in effect, and where it came from.

use serde_json::json;

use super::Context;
use crate::args::{ConfigArgs, WhichRole};
use crate::config::{Setting, manual};
use crate::error::CliResult;
use crate::home::Role;
use crate::ui::Table;

/// Runs it.
pub(super) fn run(context: &Context, args: &ConfigArgs) -> CliResult {
    let roles: &[Role] = match args.role {
        Some(WhichRole::Server) => &[Role::Server],
        Some(WhichRole::Client) => &[Role::Client],
        None => &[Role::Server, Role::Client],
    };
    if let (true, [role]) = (args.defaults, roles) {
        return context.ui.answer(manual(*role));
    }
    let mut table = Table::new(&["ROLE", "SETTING", "VALUE", "FROM"]);
    for (role, setting) in settings(context, roles)? {
        if context.ui.json {
            let fields = json!({ "role": role, "key": setting.key, "value": setting.value, "source": setting.source });
            context.ui.record("setting", fields)?;
        } else {
            table.row([role, &setting.key, &setting.value.to_string(), &setting.source]);
        }
    }
    if context.ui.json { Ok(()) } else { context.ui.answer(&table.render()) }
}

fn settings(context: &Context, roles: &[Role]) -> CliResult<Vec<(&'static str, Setting)>> {
    let home = Setting {
        key: "home".into(),
        value: context.home.root().display().to_string().into(),
        source: if context.home.was_chosen() { "--home or DPEX_HOME" } else { "the default" }.into(),
    };
    let mut all = vec![("both", home)];
    for role in roles {
        all.extend(context.settings(*role)?.all()?.into_iter().map(|setting| (role.name(), setting)));
    }
    Ok(all)
}
