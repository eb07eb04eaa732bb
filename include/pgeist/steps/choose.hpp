#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/ddl/statement.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/steps/step.hpp"

namespace pgeist::steps {

/// A statement that somebody wrote, and what holds for its session by then.
struct written_statement {
    std::string text;                                          ///< without semicolon
    std::size_t line = 0;                                      ///< 0: none
    std::vector<std::pair<std::string, std::string>> session;  ///< SETs further up: search_path, TimeZone, …
};

struct question {
    std::vector<written_statement> statements;  ///< in order
    run::method_choice method = run::method_choice::automatic;
    std::chrono::milliseconds max_block{500};
    std::chrono::milliseconds chunk_time{500};  ///< of a backfill
};

/// Why a statement cannot be done so.
struct obstacle {
    std::size_t line = 0;
    std::string message;
    std::string hint;
};

struct choice {
    std::vector<step> steps;         ///< numbered from 1; one at least for each statement
    std::vector<obstacle> refusals;  ///< exit code 3
    std::vector<std::string> warnings;
    /// One step at least needs the copy.
    [[nodiscard]] bool needs_copy() const;
};

/// Whether a copy can do all of an ALTER TABLE: where the table goes, what it belongs to, is none of its business.
[[nodiscard]] bool can_be_copied(const ddl::statement& what);

/// The step as one that is done by a copy: `whole` is all that the copy does.
[[nodiscard]] step copied(step from, std::string whole, std::string why);

/// Finds for each part of each statement the first method that keeps others waiting no longer than allowed: asks the
/// catalogs, tries all statements on empty stand-ins in one trial, estimates from sizes. Changes nothing.
///
/// Parts of one ALTER TABLE that are done by different methods are steps with the same line, in an order that leaves a
/// valid table after each. Where one part of it needs the copy, all that the copy can do are merged into that one step.
///
/// `session`: in no transaction. Locks: ACCESS SHARE, for moments.
/// @throws pg::sql_error; cancelled
[[nodiscard]] awaitable<choice> choose(pg::connection& session, question what);

/// Numbers the steps anew, from 1 on, and with each what may be done instead.
void number(choice& made);

}  // namespace pgeist::steps
