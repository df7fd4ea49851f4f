//! Look inside: what the view in front shows is computed.

use crate::app::Workbench;
use crate::state::command::LookInsideCommand;

impl Workbench {
    #[expect(clippy::unused_self, reason = "nothing is computed yet")]
    pub(super) fn handle_look_inside(&mut self, command: LookInsideCommand) {
        match command {
            LookInsideCommand::Renew | LookInsideCommand::Stop => {}
        }
    }
}
