#include "file_choice.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/fill/statement.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/steps/kept_in_step.hpp"
#include "pgeist/tasks/backfill/preparation.hpp"
#include "pgeist/tasks/group/preparation.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"
#include "tied_copies.hpp"

namespace pgeist::commands {

namespace {

/// A body in dollar quotes that it does not have itself.
std::string in_dollars(const std::string& text) {
    std::string tag = "$pgeist";
    while (text.find(tag) != std::string::npos) {
        tag += "x";
    }
    return tag + "$" + text + tag + "$";
}

awaitable<void> read_block(pg::connection& session, std::string block) {
    co_await session.execute("SET LOCAL statement_timeout TO '10s'; SET LOCAL check_function_bodies TO on");
    co_await session.execute("DO LANGUAGE plpgsql " + block);
}

/// What pgeist's parser does not know, the server's reads: a block that returns before the statement.
/// @returns what is wrong with it; empty: nothing
awaitable<std::string> let_server_read(pg::connection& session, std::string statement) {
    const std::string block = in_dollars("BEGIN RETURN; " + statement + "; END");
    const auto reading = [&] { return read_block(session, block); };
    std::string problem;
    try {
        co_await pg::rolled_back(session, reading);
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
        constexpr const char* syntax_error = "42601";
        problem = failure.is(syntax_error) ? failure.diag().message : "";
    }
    co_return problem;
}

awaitable<void> check_syntax(pg::connection& session, const plan::migration_file& file) {
    std::string problems;
    for (const plan::file_statement& each : file.statements) {
        if (!each.what.parse_error.empty()) {
            const std::string problem = co_await let_server_read(session, each.sql());
            if (!problem.empty()) {
                problems += fmt::format("{}{}: {}", problems.empty() ? "" : "; ", file.place(each.line()), problem);
            }
        }
    }
    if (!problems.empty()) {
        throw error(exit_code::refused, problems, "nothing was run");
    }
}

/// Which of them the way back would be of, nobody could say.
void refuse_several_reverts(const run::settings& chosen, steps::choice& made) {
    const auto is_copy = [](const steps::step& each) { return each.how == steps::method::copy; };
    const auto count = std::count_if(made.steps.begin(), made.steps.end(), is_copy);
    if (!chosen.revertible || count < 2) {
        return;
    }
    const auto second =
        std::find_if(std::find_if(made.steps.begin(), made.steps.end(), is_copy) + 1, made.steps.end(), is_copy);
    steps::obstacle found;
    found.line = second->line;
    found.message = fmt::format("--revertible allows one copy, or one group of them, and there are {}", count);
    found.hint = "run them one by one";
    made.refusals.push_back(std::move(found));
}

/// What decides who changes rows, and what that sets off: it would hold in no chunk. The rest is in the plan of a
/// backfill, or changes no row.
const plan::file_setting* lost_in_chunks(const plan::migration_file& file, const steps::step& each) {
    static constexpr std::array never{"role", "session_authorization", "row_security", "session_replication_role",
                                      "default_transaction_read_only"};
    for (const plan::file_setting& one : file.statements.at(each.source).settings) {
        if (std::find(never.begin(), never.end(), one.name) != never.end()) {
            return &one;
        }
    }
    return nullptr;
}

/// What is done in chunks must be more than one statement's worth of reading: one table, no FROM, no RETURNING.
void refuse_other_backfills(const plan::migration_file& file, const run::settings& chosen, steps::choice& made) {
    for (const steps::step& each : made.steps) {
        const plan::file_setting* lost = lost_in_chunks(file, each);
        if (each.how == steps::method::backfill && lost != nullptr) {
            steps::obstacle found;
            found.line = each.line;
            found.message = fmt::format(
                "it may change rows of {} for longer than --max-block ({}), and would be done in chunks, where SET {} "
                "further up in the file does not hold",
                each.table, format_duration(chosen.max_block), lost->name);
            found.hint = fmt::format(
                "put RESET {} before it, or run it by a file of its own, as the role that is to change the rows; or "
                "allow it with a larger --max-block",
                lost->name);
            made.refusals.push_back(std::move(found));
            continue;
        }
        if (each.how == steps::method::backfill && !fill::request_of(each.statement)) {
            steps::obstacle found;
            found.line = each.line;
            found.message = fmt::format(
                "it may change rows of {} for longer than --max-block ({}), and a statement like it cannot be done in "
                "chunks",
                each.table, format_duration(chosen.max_block));
            found.hint =
                "write UPDATE t SET … WHERE …, or DELETE FROM t WHERE …, as a statement of its own; or allow it with a "
                "larger --max-block";
            made.refusals.push_back(std::move(found));
        }
    }
}

/// Whether a statement before this one may make the table another one than it is now.
bool is_touched_before(const plan::migration_file& file, const steps::step& each) {
    const std::string table = parse_qualified_name(each.table).name;
    for (std::size_t at = 0; at < each.source; ++at) {
        const ddl::statement& what = file.statements.at(at).what;
        const bool code =
            what.kind == ddl::statement_kind::perform || !what.functions.empty() || !what.parse_error.empty();
        const auto words = ddl::tokens_of(what.text.substr(0, 10'000));
        if (code || std::any_of(words.begin(), words.end(), [&](const ddl::token& one) { return one.text == table; })) {
            return true;
        }
    }
    return false;
}

/// Whether the statements before this one leave what they find of the table, and only add to it: what an expression
/// over it gives does not change by that.
bool is_only_added_to_before(const plan::migration_file& file, const steps::step& each) {
    using kind = ddl::clause_kind;
    static constexpr std::array adding{kind::add_column, kind::add_constraint, kind::set_default, kind::set_not_null,
                                       kind::drop_not_null};
    const auto adds = [](const ddl::clause& one) {
        return std::find(adding.begin(), adding.end(), one.kind) != adding.end();
    };
    return std::all_of(file.statements.begin(), file.statements.begin() + static_cast<std::ptrdiff_t>(each.source),
                       [&](const plan::file_statement& one) {
                           const ddl::statement& what = one.what;
                           const bool alters = what.kind == ddl::statement_kind::alter_table;
                           return what.kind == ddl::statement_kind::create_index ||
                                  (alters && std::all_of(what.clauses.begin(), what.clauses.end(), adds));
                       });
}

awaitable<void> prepare_copy(pg::connection& session, const steps::step& each, const run::settings& chosen,
                             steps::choice& made) {
    plan::group_request what = copies_of(each);
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    std::vector<rewrite::preparation> tried;
    if (what.members.size() == 1) {
        tried.push_back(co_await rewrite::prepare(session, nullptr, what.members.front().change, chosen));
    } else {
        tried = co_await group::prepare(session, nullptr, std::move(what), chosen);
    }
    for (const rewrite::preparation& of : tried) {
        for (const check::finding& one : of.findings) {
            if (one.severity == check::severity::refuse) {
                made.refusals.push_back({each.line, one.message, one.hint});
            }
        }
    }
}

awaitable<void> prepare_backfill(pg::connection& session, const steps::step& each, const run::settings& chosen) {
    fill::request asked = *fill::request_of(each.statement);
    asked.table = parse_qualified_name(each.table);
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    static_cast<void>(co_await backfill::prepare(session, nullptr, asked, chosen));
}

/// What a copy, or a backfill, would refuse when its turn comes is refused before anything has run; of tables that are
/// now as they will be then. Of one that the file adds to before, only what no addition would mend is known.
awaitable<void> try_jobs(pg::connection& session, const plan::migration_file& file, const run::settings& chosen,
                         steps::choice& made) {
    const std::vector<steps::step> all = made.steps;
    for (const steps::step& each : all) {
        const bool copies = each.how == steps::method::copy;
        const bool fills = each.how == steps::method::backfill && fill::request_of(each.statement);
        if ((!copies && !fills) || each.table.empty() || !file.statements.at(each.source).settings.empty()) {
            continue;
        }
        const bool changes = is_touched_before(file, each);
        if (changes && !(fills && is_only_added_to_before(file, each))) {
            continue;
        }
        const auto copying = [&] { return prepare_copy(session, each, chosen, made); };
        const auto filling = [&] { return prepare_backfill(session, each, chosen); };
        std::optional<error> refused;
        try {
            if (copies) {
                co_await pg::rolled_back(session, copying);
            } else {
                co_await pg::rolled_back(session, filling);
            }
        } catch (const fill::unsteady& problem) {
            refused = problem;
        } catch (const pg::sql_error& problem) {
            if (!changes || problem.poisons_connection()) {
                throw;
            }
        } catch (const error& problem) {
            if (problem.code() != exit_code::refused) {
                throw;
            }
            if (!changes) {
                refused = problem;
            }
        }
        if (refused) {
            made.refusals.push_back({each.line, refused->what(), refused->hint()});
        }
    }
}

/// --method copy, or an option that only a copy obeys: each ALTER TABLE of a table that is there now is one.
awaitable<void> copy_everything(pg::connection& session, const plan::migration_file& file, steps::choice& made) {
    std::vector<steps::step> all;
    for (steps::step& each : made.steps) {
        const plan::file_statement& from = file.statements.at(each.source);
        const bool whole = !all.empty() && all.back().source == each.source && all.back().how == steps::method::copy;
        const bool alters = from.how == plan::treatment::alteration && steps::can_be_copied(from.what) &&
                            each.how != steps::method::nothing;
        bool there = false;
        if (alters && !whole) {
            const pg::result row = co_await session.query("SELECT to_regclass($1) IS NOT NULL", each.table);
            there = row.boolean(0, 0);
        }
        if (there) {
            each = steps::copied(std::move(each), from.sql(), "a copy was asked for");
        }
        if (!alters || !whole) {
            all.push_back(std::move(each));
        }
    }
    made.steps = std::move(all);
    steps::number(made);
}

/// A SET that was committed would go on holding in a session that does other work.
void set_for_a_moment(const plan::migration_file& file, steps::choice& made) {
    for (steps::step& each : made.steps) {
        const plan::file_statement& from = file.statements.at(each.source);
        if (from.how == plan::treatment::setting && !each.actions.empty()) {
            each.actions.front().statements.clear();
            if (!from.once.empty()) {
                each.actions.front().statements.push_back(from.once);
            }
        }
    }
}

steps::question question_of(const plan::migration_file& file, const run::settings& chosen) {
    steps::question what;
    what.method = chosen.method;
    what.max_block = chosen.max_block;
    what.chunk_time = chosen.chunk_time;
    for (const plan::file_statement& each : file.statements) {
        steps::written_statement one;
        one.text = each.sql();
        one.line = each.line();
        for (const plan::file_setting& setting : each.settings) {
            one.session.emplace_back(setting.name, setting.value);
        }
        what.statements.push_back(std::move(one));
    }
    return what;
}

/// What is given on the command line has none.
void forget_lines(steps::choice& made) {
    for (steps::step& each : made.steps) {
        each.line = 0;
        for (steps::step& other : each.otherwise) {
            other.line = 0;
        }
    }
    for (steps::obstacle& each : made.refusals) {
        each.line = 0;
    }
}

}  // namespace

std::string place_in(const file_request& what, std::size_t line) {
    return what.tables.empty() ? what.file.place(line) + ": " : "";
}

namespace {

/// By the methods that are chosen for each statement.
awaitable<steps::choice> choose_statements(pg::connection& session, const file_request& what,
                                           const run::settings& chosen) {
    const plan::migration_file& file = what.file;
    const steps::question asked = question_of(file, chosen);
    steps::choice made = co_await steps::choose(session, asked);
    if (!made.refusals.empty()) {
        auto together = co_await choose_together(session, file, asked, made);
        if (together) {
            made = std::move(*together);
        }
    }
    if (chosen.method == run::method_choice::copy) {
        co_await copy_everything(session, file, made);
    }
    set_for_a_moment(file, made);
    for (steps::obstacle& each : made.refusals) {  // the file is named, too
        const std::string place = fmt::format("line {}: ", each.line);
        each.message = each.message.substr(each.message.starts_with(place) ? place.size() : 0);
    }
    if (!what.tables.empty()) {
        copy_whole_tables(what, made);
    }
    co_return made;
}

}  // namespace

awaitable<steps::choice> choose_for_file(pg::connection& session, const file_request& what,
                                         const run::settings& chosen) {
    const plan::migration_file& file = what.file;
    co_await check_syntax(session, file);
    steps::choice made;
    if (!what.tables.empty() && chosen.method == run::method_choice::copy) {
        made = copy_all_tables(what);
    } else {
        made = co_await choose_statements(session, what, chosen);
    }
    co_await join_tied_copies(session, what, made);
    co_await steps::refuse_breaches(session, made);
    refuse_other_backfills(file, chosen, made);
    refuse_several_reverts(chosen, made);
    const bool is_that_copy = only_copy(what, made).has_value();  // which its own plan tries
    if (made.refusals.empty() && !is_that_copy) {
        co_await try_jobs(session, file, chosen, made);
    }
    if (!what.tables.empty()) {
        forget_lines(made);
    }
    made.warnings.insert(made.warnings.end(), what.remarks.begin(), what.remarks.end());
    co_return made;
}

void throw_if_refused(const file_request& what, const steps::choice& made) {
    std::string messages;
    std::string hints;
    for (const steps::obstacle& each : made.refusals) {
        messages += (messages.empty() ? "" : "\n") + place_in(what, each.line) + each.message;
        hints += each.hint.empty() ? "" : (hints.empty() ? "" : "\n") + each.hint;
    }
    if (!messages.empty()) {
        throw error(exit_code::refused, messages, hints.empty() ? "nothing was run" : hints);
    }
}

std::optional<plan::group_request> only_copy(const file_request& what, const steps::choice& made) {
    std::optional<plan::group_request> copies;
    const bool one = made.steps.size() == 1 && made.steps[0].how == steps::method::copy;
    if (one && (what.file.statements.size() == 1 || !made.steps[0].copies.empty())) {
        copies = copies_of(made.steps[0]);
    }
    return copies;
}

}  // namespace pgeist::commands
