#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

// A second run of a change must do nothing. What "the same change" is cannot be seen from the texts alone, so it is
// tried out on the empty shadow: renames that have been done are undone, every clause is run or found to have been
// done, and the definition must come out as it was.

enum class verdict { done, not_done, run_it };

plan::alter_statement statement_of(std::string text) {
    plan::clause clause;
    clause.text = std::move(text);
    plan::alter_statement statement;
    statement.clauses.push_back(std::move(clause));
    return statement;
}

/// Runs `text` on the shadow; false when it cannot be.
awaitable<bool> try_text(build_context& at, std::string text) {
    const auto failed = co_await try_alter(at, statement_of(std::move(text)));
    co_return !failed;
}

using stand_ins = std::vector<stand_in>;

/// Begins a trial; what it returns goes to back_to_mark(): stand-ins made in between vanish with it.
awaitable<stand_ins> set_mark(build_context& at) {
    co_await begin_trial(at);
    co_return at.stand_ins;
}

awaitable<void> back_to_mark(build_context& at, stand_ins known) {
    co_await undo_trial(at);
    at.stand_ins = std::move(known);
}

/// Undoes a rename that has been done. False when the new name is not there or the old one is.
awaitable<bool> undo_rename(build_context& at, plan::clause clause) {
    const auto shadow = co_await catalog::read_table(at.conn, at.shadow_oid);
    bool done = false;
    std::string what = "COLUMN";
    std::string old_name = clause.column;
    if (clause.kind == plan::clause_kind::rename_column) {
        done = shadow.find_column(clause.new_name) != nullptr && shadow.find_column(old_name) == nullptr;
    } else {
        what = "CONSTRAINT";
        old_name = clause.constraint;
        const auto has = [&](const std::string& name) {
            return shadow.find_constraint(name) != nullptr ||
                   std::any_of(shadow.foreign_keys.begin(), shadow.foreign_keys.end(),
                               [&](const catalog::foreign_key& key) { return key.name == name; });
        };
        done = has(clause.new_name) && !has(old_name);
    }
    if (!done) {
        co_return false;
    }
    co_return co_await try_text(
        at, fmt::format("RENAME {} {} TO {}", what, quote_identifier(clause.new_name), quote_identifier(old_name)));
}

/// What the clause that adds a column can make: the column, and what is written behind it. Without the column's place
/// and without the names of constraints, which the server may have chosen otherwise the first time.
std::vector<std::string> makings(const build_context& at, const catalog::table& of, const std::string& column) {
    std::vector<std::string> lines;
    for (const auto& property : catalog::definition(of)) {
        const std::string kind = property.object.substr(0, property.object.find(' '));
        std::string line = moved_literals(at, property.text);
        if (property.object == "column " + display_identifier(column)) {
            lines.push_back("column" + line.substr(line.find(',')));
        } else if (kind == "foreign" || kind == "sequence") {
            lines.push_back(kind + ": " + line);
        }
    }
    for (const auto& each : of.constraints) {
        lines.push_back(fmt::format("constraint: {} {}", each.type, each.definition));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
}

/// The column is there already: done if the clause, run in its place, makes nothing that is not there.
awaitable<verdict> judge_added_column(build_context& at, plan::clause clause) {
    plan::alter_statement alone;
    alone.clauses.push_back(clause);
    const auto refused = co_await try_alter(at, alone);
    if (!refused) {
        co_return verdict::done;  // IF NOT EXISTS
    }
    const auto before = co_await read_shadow(at);
    auto known = co_await set_mark(at);
    bool ran = co_await try_text(at, fmt::format("DROP COLUMN {} CASCADE", quote_identifier(clause.column)));
    if (ran) {
        const auto failed = co_await try_alter(at, alone);
        ran = !failed;
    }
    const auto after = co_await read_shadow(at);
    co_await back_to_mark(at, std::move(known));
    if (!ran) {
        co_return verdict::not_done;
    }
    const auto there = makings(at, before, clause.column);
    const auto made = makings(at, after, clause.column);
    std::vector<std::string> wanted;
    std::set_difference(made.begin(), made.end(), there.begin(), there.end(), std::back_inserter(wanted));
    // The definition of the column that is there, when the clause would give it another one.
    const auto own = [&](const std::string& line) { return line.rfind("column,", 0) == 0; };
    const auto found = std::find_if(there.begin(), there.end(), own);
    if (wanted.empty()) {
        co_return verdict::done;
    }
    at.differences =
        fmt::format("the table has {}; missing of what the clause makes is {}",
                    found != there.end() ? fmt::format("{} as{}", display_identifier(clause.column), found->substr(7))
                                         : display_identifier(clause.column),
                    join(wanted, "; "));
    co_return verdict::not_done;
}

/// Done if the clause leaves the column's type as it is. A USING is not looked at: applied twice it would do harm.
awaitable<verdict> judge_retyped_column(build_context& at, plan::clause clause, catalog::column existing) {
    auto known = co_await set_mark(at);
    const bool ran = co_await try_text(at, clause.text);
    const auto shadow = co_await catalog::read_shape(at.conn, at.shadow_oid);
    co_await back_to_mark(at, std::move(known));
    const auto* retyped = shadow.find_column(clause.column);
    const bool same =
        ran && retyped != nullptr && retyped->type == existing.type && retyped->collation == existing.collation;
    co_return same ? verdict::done : verdict::not_done;
}

/// What makes two constraints the same, whatever their names.
std::vector<std::string> constraint_texts(const catalog::table& of) {
    std::vector<std::string> texts;
    for (const auto& each : of.constraints) {
        texts.push_back(fmt::format("{} {} {}", each.name, each.type, each.definition));
    }
    for (const auto& property : catalog::definition(of)) {
        if (property.object.rfind("foreign key ", 0) == 0) {
            texts.push_back(property.object + " " + property.text);
        }
    }
    return texts;
}

bool has_constraint(const catalog::table& of, const std::string& name) {
    return of.find_constraint(name) != nullptr ||
           std::any_of(of.foreign_keys.begin(), of.foreign_keys.end(),
                       [&](const catalog::foreign_key& key) { return key.name == name; });
}

/// A named constraint that is there is done if the clause makes the same one in its place. One without a name is done
/// if it makes the same one in place of any: its name is the one PostgreSQL chose the first time.
awaitable<verdict> judge_added_constraint(build_context& at, plan::clause clause) {
    const auto before = co_await read_shadow(at);
    std::vector<std::string> candidates;
    if (!clause.constraint.empty()) {
        if (!has_constraint(before, clause.constraint)) {
            co_return verdict::not_done;
        }
        candidates.push_back(clause.constraint);
    } else {
        for (const auto& each : before.constraints) {
            candidates.push_back(each.name);
        }
        for (const auto& each : before.foreign_keys) {
            candidates.push_back(each.name);
        }
    }
    const auto wanted = constraint_texts(before);
    for (const auto& name : candidates) {
        auto known = co_await set_mark(at);
        bool ran = co_await try_text(at, fmt::format("DROP CONSTRAINT {} CASCADE", quote_identifier(name)));
        if (ran) {
            plan::alter_statement alone;
            alone.clauses.push_back(clause);
            const auto failed = co_await try_alter(at, std::move(alone));
            ran = !failed;
        }
        const auto after = co_await read_shadow(at);
        co_await back_to_mark(at, std::move(known));
        const auto found = constraint_texts(after);
        const auto belongs = [&](const std::string& text) {
            return text.rfind(name + " ", 0) == 0 ||
                   text.rfind("foreign key " + display_identifier(name) + " ", 0) == 0;
        };
        const auto made = std::find_if(wanted.begin(), wanted.end(), belongs);
        if (ran && made != wanted.end() && std::find(found.begin(), found.end(), *made) != found.end()) {
            co_return verdict::done;
        }
    }
    co_return verdict::not_done;
}

awaitable<verdict> judge(build_context& at, plan::clause clause) {
    using plan::clause_kind;
    if (clause.kind == clause_kind::add_constraint) {
        co_return co_await judge_added_constraint(at, clause);
    }
    const auto shadow = co_await read_shadow(at);
    const auto* column = shadow.find_column(clause.column);
    switch (clause.kind) {
        case clause_kind::add_column:
            if (column == nullptr) {
                co_return verdict::not_done;
            }
            co_return co_await judge_added_column(at, clause);
        case clause_kind::alter_type:
            if (column == nullptr) {
                co_return verdict::not_done;
            }
            co_return co_await judge_retyped_column(at, clause, *column);
        case clause_kind::drop_column:
            co_return column == nullptr ? verdict::done : verdict::not_done;
        case clause_kind::drop_constraint:
            co_return has_constraint(shadow, clause.constraint) ? verdict::not_done : verdict::done;
        default:
            co_return verdict::run_it;
    }
}

bool renames(const std::vector<plan::alter_statement>& alters) {
    return std::any_of(alters.begin(), alters.end(), [](const plan::alter_statement& alter) {
        return std::any_of(alter.clauses.begin(), alter.clauses.end(), [](const plan::clause& clause) {
            return clause.kind == plan::clause_kind::rename_column ||
                   clause.kind == plan::clause_kind::rename_constraint;
        });
    });
}

/// Whether all of it can be run as it is. Of renames that have been done one cannot, unless they exchange names: those
/// leave no trace, and are done.
awaitable<bool> can_run(build_context& at, std::vector<plan::alter_statement> alters) {
    auto known = co_await set_mark(at);
    bool ran = true;
    for (auto alter = alters.begin(); ran && alter != alters.end(); ++alter) {
        const auto failed = co_await try_alter(at, *alter);
        ran = !failed;
    }
    co_await back_to_mark(at, std::move(known));
    co_return ran;
}

awaitable<bool> try_all(build_context& at, std::vector<plan::alter_statement> alters) {
    for (auto alter = alters.rbegin(); alter != alters.rend(); ++alter) {
        for (const auto& clause : alter->clauses) {
            if (clause.kind != plan::clause_kind::rename_column &&
                clause.kind != plan::clause_kind::rename_constraint) {
                continue;
            }
            const bool undone = co_await undo_rename(at, clause);
            if (!undone) {
                co_return false;
            }
        }
    }
    for (const auto& alter : alters) {
        for (const auto& clause : alter.clauses) {
            const verdict found = co_await judge(at, clause);
            bool done = found == verdict::done;
            if (found == verdict::run_it) {
                plan::alter_statement alone;
                alone.clauses.push_back(clause);
                const auto failed = co_await try_alter(at, std::move(alone));
                done = !failed;
            }
            if (!done) {
                co_return false;
            }
        }
    }
    co_return true;
}

}  // namespace

awaitable<std::optional<std::string>> already_applied(build_context& at, std::vector<plan::alter_statement> alters,
                                                      catalog::table assembled) {
    std::optional<std::string> reason;
    if (at.change.repack || alters.empty()) {
        co_return reason;
    }
    if (renames(alters)) {
        const bool runs = co_await can_run(at, alters);
        if (runs) {
            co_return reason;
        }
    }
    auto known = at.stand_ins;
    co_await begin_trial(at);
    const bool done = co_await try_all(at, alters);
    bool same = false;
    if (done) {
        const auto now = co_await read_shadow(at);
        same = catalog::definition(now) == catalog::definition(assembled);
    }
    co_await undo_trial(at);
    at.stand_ins = std::move(known);
    const bool converts = std::any_of(alters.begin(), alters.end(), [](const plan::alter_statement& alter) {
        return std::any_of(alter.clauses.begin(), alter.clauses.end(),
                           [](const plan::clause& clause) { return clause.using_expression.has_value(); });
    });
    if (same) {
        reason = fmt::format("{} already is what the change would make it", at.source.name.display());
        if (!at.change.sets.empty()) {
            *reason += "; --set is not done again";
        }
        if (converts) {
            *reason += "; USING is not done again (--set computes values without a change of type)";
        }
    }
    co_return reason;
}

}  // namespace pgeist::target
