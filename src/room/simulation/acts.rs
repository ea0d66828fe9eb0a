//! What senders and the operator have the room do, and the same done to the model.

use std::num::NonZeroUsize;

use super::client::Doing;
use super::fail;
use super::model::{Answer, Model};
use super::script::Typed;
use super::world::{World, line, name};
use crate::room::act::Acted;
use crate::room::backpressure::DROPS_A_TURN;
use crate::room::log::Id;
use crate::room::state::NotJoined;
use crate::text::message::{Cause, Message};

impl World {
    /// Makes the room do what a sender has waited for.
    pub(super) fn perform(&mut self, slot: Option<usize>, doing: Doing) {
        let at = self.now.system;
        let Some(slot) = slot else { return self.operate(doing) };
        let Some(client) = &self.clients[slot] else { return };
        let (id, address) = (client.id, client.address);
        match doing {
            Doing::Say(said) => self.room(
                |state, now| state.say(id, said.clone(), now),
                |model| {
                    model.say(id, &said, at);
                    None
                },
            ),
            Doing::Answer(answer) => {
                self.room(|state, now| state.tell(id, answer.clone(), now), |_| Some((id, answer.clone())));
            }
            Doing::Leave(cause, words) => {
                let (why, last) = (cause.clone(), words.clone());
                self.room(
                    |state, now| state.leave(id, why, last, now),
                    |model| {
                        model.leave(id, cause.as_ref(), &words);
                        None
                    },
                );
                if self.clients[slot].as_ref().is_some_and(|client| client.reader.is_none()) {
                    self.model.people.remove(&id);
                    self.clients[slot] = None;
                }
            }
            Doing::Join(name) => {
                let mut expected = false;
                let joined = self.room(
                    |state, now| state.join(id, &name, now),
                    |model| {
                        expected = model.join(id, &name, address, at);
                        None
                    },
                );
                if joined.is_ok() != expected {
                    fail("one name is one member's", format_args!("{name}: {joined:?}"));
                }
                let Some(client) = &mut self.clients[slot] else { return };
                match joined {
                    Ok(()) => client.name = Some(name),
                    Err(NotJoined::Gone) => {}
                    Err(NotJoined::Taken(_)) => {
                        client.sender.doing.push_front(Doing::Answer(Message::name_taken(&name)))
                    }
                }
            }
            Doing::Act(typed) => self.act(slot, id, typed),
            Doing::Announce(_) | Doing::Ban(_) => {}
        }
    }

    fn operate(&mut self, doing: Doing) {
        let at = self.now.system;
        match doing {
            Doing::Announce(said) => self.room(
                |state, now| state.post(said.clone(), crate::room::log::Kind::Said, None, now),
                |model| {
                    model.announce(&said, at);
                    None
                },
            ),
            Doing::Ban(ip) => {
                let words = Message::banned(None);
                let more = self.room(
                    |state, now| state.ban(|address| address == ip, &words, now),
                    |model| {
                        let there = model.here().filter(|(_, person)| person.address == ip).map(|(id, _)| id);
                        let there: Vec<Id> = there.take(DROPS_A_TURN).collect();
                        there.into_iter().for_each(|id| model.leave(id, Some(&Cause::Banned), &words));
                        None
                    },
                );
                if more {
                    self.operator.doing.push_front(Doing::Ban(ip));
                }
            }
            _ => {}
        }
    }

    /// A command, as it is typed and as the model takes it.
    fn act(&mut self, slot: usize, id: Id, typed: Typed) {
        let at = self.now.system;
        let limit = self.state.room_for_answer(id);
        let words = line(&format!("waves {}", self.serial()));
        let name_of = |world: &World, other: u16| match world.member(usize::from(other)) {
            Some((_, name)) => line(name.as_str()),
            None => line("Nobody"),
        };
        let told = |message: Message| -> Answer { Some((id, message)) };
        match typed {
            Typed::Who => self.obey(slot, "/who", |model| {
                model.who(id);
                None
            }),
            Typed::Help => self.obey(slot, "/help", |_| told(Message::help())),
            Typed::Unknown => self.obey(slot, "/dance", |_| told(Message::unknown_command("dance"))),
            Typed::History(lines) => {
                let lines = NonZeroUsize::new(lines.into()).unwrap_or(NonZeroUsize::MIN);
                self.obey(slot, &format!("/history {lines}"), |model| {
                    model.recall(id, lines.get(), limit, at);
                    None
                });
            }
            Typed::Me => self.obey(slot, &format!("/me {}", &*words), |model| model.emote(id, &words, at)),
            Typed::Nick(n) => self.obey(slot, &format!("/nick {}", name(n)), |model| model.rename(id, &name(n), at)),
            Typed::Msg(other) => {
                let to = name_of(self, other);
                let typed = line(&format!("{} {}", &*to, &*words));
                self.obey(slot, &format!("/msg {}", &*typed), |model| model.msg(id, Some(&to), &typed, &words));
            }
            Typed::Reply => {
                self.obey(slot, &format!("/reply {}", &*words), |model| model.msg(id, None, &words, &words));
            }
            Typed::Ignore(other) => {
                let whom = name_of(self, other);
                self.obey(slot, &format!("/ignore {}", &*whom), |model| model.ignore(id, &whom));
            }
        }
    }

    fn obey(&mut self, slot: usize, typed: &str, expected: impl FnOnce(&mut Model) -> Answer) {
        let Some(client) = &self.clients[slot] else { return };
        let (id, line) = (client.id, line(typed));
        let acted = self.room(|state, now| state.act(id, &line, now), expected);
        if let (Some(client), Acted::Renamed(name)) = (&mut self.clients[slot], acted) {
            client.name = Some(name);
        }
    }
}
