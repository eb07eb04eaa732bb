#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/probe/effect.hpp"

namespace pgeist::probe {

struct trial_options {
    /// What the user's session has set by then (SET in a migration file): set on top of what the role and the database
    /// have as defaults. `search_path` decides what unqualified names mean.
    std::vector<std::pair<std::string, std::string>> settings;
    /// How long a statement may take on empty tables, and wait for a lock.
    std::chrono::milliseconds time_limit{10'000};
    /// Beyond so many tables, partitions and views that hang together nothing is tried.
    int most_relations = 200;
};

/// What a trial found out. Without `tried` nothing was tried, and `why_not` says why: a sentence without full stop.
struct trial_answer {
    bool tried = false;
    effect found;
    std::string why_not;
    /// `why_not` is about the server or the session: no statement can be tried.
    bool hopeless = false;
    /// Relations whose lock an earlier statement of the same trial held already: `found.locks` may tell less about them
    /// than the statement takes.
    std::vector<std::string> locked_before;
};

/// Says what one statement would do on this server with these tables, without touching them: it is run on empty
/// stand-ins of everything that it names or reaches (partitions, parents, both sides of foreign keys, views …), in a
/// transaction that is rolled back.
///
/// The stand-ins are temporary tables of this session: nobody else sees them, no right beyond TEMPORARY on the database
/// is needed, and the server removes them whatever happens to this program. They are committed before the trial,
/// because a transaction holds ACCESS EXCLUSIVE on whatever it has made, and could not tell which locks the statement
/// takes. When the trial ends they are dropped (DISCARD TEMP). What the user wrote is never committed.
///
/// Locks on the user's tables: ACCESS SHARE, for moments, while definitions are read; where somebody holds more,
/// nothing is tried. On a standby, under event triggers that cannot be switched off, and for statements that cannot be
/// tried (CONCURRENTLY, code) nothing is tried either.
///
/// Not answered: whether rows are in the way (there are none), and whether the role may do it (the stand-ins are its
/// own). What else could not be looked at stands in `found.assumptions`.
///
/// `session`: in no transaction, without temporary tables of its own; nobody else uses it meanwhile.
/// @throws pg::sql_error when the connection is lost; cancelled
[[nodiscard]] awaitable<trial_answer> try_statement(pg::connection& session, std::string statement,
                                                    trial_options options = {});

/// The same for statements that follow each other: each finds what those before it have done, up to the first that
/// fails; the later ones are then tried without its effect. One answer for each statement.
[[nodiscard]] awaitable<std::vector<trial_answer>> try_statements(pg::connection& session,
                                                                  std::vector<std::string> statements,
                                                                  trial_options options = {});

}  // namespace pgeist::probe
