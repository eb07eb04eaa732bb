#include "pgeist/steps/choose.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "recipes.hpp"

namespace pgeist::steps {

namespace {

using ddl::clause_kind;
using ddl::statement_kind;

constexpr int last_pass = 8;

/// In which order the server carries out the clauses of one ALTER TABLE.
int pass_of(const ddl::clause& each) {
    switch (each.kind) {
        case clause_kind::drop_column:
        case clause_kind::drop_constraint:
        case clause_kind::drop_not_null:
        case clause_kind::drop_default:
        case clause_kind::drop_expression:
        case clause_kind::drop_identity:
            return 0;
        case clause_kind::alter_type:
            return 1;
        case clause_kind::add_column:
            return 2;
        case clause_kind::set_expression:
            return 3;
        case clause_kind::set_not_null:
        case clause_kind::set_statistics:
        case clause_kind::set_storage:
        case clause_kind::set_compression:
        case clause_kind::add_identity:
        case clause_kind::set_identity:
            return 4;
        case clause_kind::add_constraint:
            return each.made && each.made->kind == ddl::constraint_kind::foreign_key ? 6 : 5;
        case clause_kind::set_default:
            return 6;
        default:
            return 7;
    }
}

/// What has a definition of its own that is not compared: that something of that name is there says nothing of it.
bool makes_by_name(const ddl::statement& what) {
    using kind = statement_kind;
    return what.kind != kind::drop && what.kind != kind::create_index && what.kind != kind::create_schema &&
           what.kind != kind::create_extension && what.kind != kind::add_enum_value;
}

bool is_alter(const ddl::statement& what) {
    return what.kind == statement_kind::alter_table && what.object == ddl::object_kind::table;
}

bool adds_constraint(const ddl::statement& what) {
    using kind = ddl::constraint_kind;
    return std::any_of(what.clauses.begin(), what.clauses.end(), [](const ddl::clause& each) {
        const auto has = [&](kind which) { return each.added && each.added->find(which) != nullptr; };
        const bool with_column = each.kind == clause_kind::add_column &&
                                 (has(kind::primary_key) || has(kind::unique) || has(kind::foreign_key));
        return each.kind == clause_kind::add_constraint || with_column;
    });
}

/// What takes a constraint away; with a column go those that it is in.
bool drops_constraint(const ddl::clause& each) {
    return each.kind == clause_kind::drop_constraint || each.kind == clause_kind::drop_column;
}

/// Whether one of its clauses takes away what another one puts in its place, and no step keeps the one until the other
/// is there: then neither may be without the other.
bool replaces_constraint(const ddl::statement& what) {
    const auto replaced_by = [&](const ddl::clause& dropped, const ddl::clause& added) {
        return dropped.kind == clause_kind::drop_constraint && added.kind == clause_kind::add_constraint &&
               added.made && !is_replaced_by(what, dropped, added) &&
               (added.made->kind == ddl::constraint_kind::primary_key || added.made->name == dropped.name);
    };
    return std::any_of(what.clauses.begin(), what.clauses.end(), [&](const ddl::clause& dropped) {
        return std::any_of(what.clauses.begin(), what.clauses.end(),
                           [&](const ddl::clause& added) { return replaced_by(dropped, added); });
    });
}

/// A clause as it stands in a statement of its own: with it the constraint in whose place it comes.
std::string with_replaced(const ddl::statement& of, const ddl::clause& each, const std::vector<ddl::clause>& all) {
    const auto gone =
        std::find_if(all.begin(), all.end(), [&](const ddl::clause& one) { return is_replaced_by(of, one, each); });
    return gone == all.end() ? each.text : gone->text + ", " + each.text;
}

/// Its clauses as statements of their own, as the server would carry them out; but a constraint that goes stays until
/// those that come are there, which may take long, or fail.
std::vector<part> clauses_of(const part& whole) {
    std::vector<part> all;
    std::vector<ddl::clause> clauses = whole.what.clauses;
    const bool one_comes = adds_constraint(whole.what);
    const auto pass = [&](const ddl::clause& each) {
        return one_comes && drops_constraint(each) ? last_pass : pass_of(each);
    };
    std::stable_sort(clauses.begin(), clauses.end(),
                     [&](const ddl::clause& a, const ddl::clause& b) { return pass(a) < pass(b); });
    const std::string head = head_of(whole.what);
    for (const ddl::clause& each : clauses) {
        const bool goes_with_another = std::any_of(clauses.begin(), clauses.end(), [&](const ddl::clause& one) {
            return is_replaced_by(whole.what, each, one);
        });
        if (goes_with_another) {
            continue;
        }
        part one;
        one.of = whole.of;
        one.what = ddl::understand(head + with_replaced(whole.what, each, clauses));
        all.push_back(std::move(one));
    }
    return all;
}

std::string table_of(const part& of) {
    const ddl::statement& what = of.what;
    if (!what.relation.name.empty()) {
        return of.before.name_of(what.relation);
    }
    return what.relations.empty() ? std::string() : of.before.name_of(what.relations.front());
}

/// Makes the steps of the statements that were asked about.
class choosing {
public:
    choosing(pg::connection& session, const question& asked, facts known)
        : session_(session), asked_(asked), known_(std::move(known)) {}

    [[nodiscard]] awaitable<choice> run() {
        std::vector<part> wholes = understood();
        co_await judge_parts(session_, asked_, known_, wholes);
        std::vector<part> parts;
        std::vector<std::size_t> first_of;  // of each statement's parts
        bool cut = false;
        for (const part& each : wholes) {
            first_of.push_back(parts.size());
            const bool may_be_slow =
                is_heavy(each) || (keeps_waiting(each) && each.does.works() && each.does.rewrites.empty());
            const bool in_parts =
                is_alter(each.what) && each.what.clauses.size() > 1 && !replaces_constraint(each.what);
            if (may_be_slow && in_parts) {
                cut = true;
                for (part& clause : clauses_of(each)) {
                    parts.push_back(std::move(clause));
                }
            } else {
                parts.push_back(each);
            }
        }
        first_of.push_back(parts.size());
        if (cut) {
            co_await judge_parts(session_, asked_, known_, parts);
        }
        for (std::size_t at = 0; at < wholes.size(); ++at) {
            const auto begin = parts.begin() + static_cast<std::ptrdiff_t>(first_of[at]);
            const auto end = parts.begin() + static_cast<std::ptrdiff_t>(first_of[at + 1]);
            co_await add_statement(wholes[at], std::vector<part>(begin, end));
        }
        number(made_);
        co_return std::move(made_);
    }

private:
    [[nodiscard]] std::vector<part> understood() const {
        std::vector<part> wholes;
        for (std::size_t at = 0; at < asked_.statements.size(); ++at) {
            part one;
            one.of = at;
            one.what = ddl::understand(asked_.statements[at].text);
            wholes.push_back(std::move(one));
        }
        return wholes;
    }

    /// Whether others would wait for its work longer than allowed, or nobody knows for how long.
    [[nodiscard]] bool is_heavy(const part& of) const { return of.does.works() && keeps_waiting(of) && !fits(of); }

    [[nodiscard]] bool fits(const part& of) const {
        return of.does.blocks_ms && *of.does.blocks_ms <= asked_.max_block.count();
    }

    /// That a name is there does not say that what has it is what was asked for: of an ordinary table the whole
    /// definition was compared before. Of others the name must do, where no index can have it.
    [[nodiscard]] static bool fails(const part& of) {
        if (!of.does.fails || !of.does.needless) {
            return of.does.fails.has_value();
        }
        if (!is_alter(of.what)) {
            return makes_by_name(of.what);
        }
        const bool ordinary = of.before.kind_of(table_of(of)) != probe::relation_kind::partitioned_table;
        const bool constraint = of.what.clauses.front().kind == clause_kind::add_constraint;
        return ordinary || constraint;
    }

    void refuse(const part& of, std::string message, std::string hint) {
        const std::size_t line = asked_.statements[of.of].line;
        const std::string where = line == 0 ? "" : fmt::format("line {}: ", line);
        made_.refusals.push_back({line, where + std::move(message), std::move(hint)});
    }

    /// The server gives no other type to a column that a view, rule, policy, trigger, function or generated column
    /// reads; a copy leads them over. What it cannot lead it refuses itself.
    [[nodiscard]] static bool is_read_by_others(const part& of) {
        return of.does.fails->message.starts_with("cannot alter type of a column used ") &&
               std::any_of(of.what.clauses.begin(), of.what.clauses.end(),
                           [](const ddl::clause& each) { return each.kind == clause_kind::alter_type; });
    }

    /// Whether what the server refuses is the copy's to decide. What hinders both (a partition's column, what others
    /// depend on) the copy explains better; but the statements of a file are judged together, before any has run.
    [[nodiscard]] bool is_up_to_a_copy(const part& of) const {
        static constexpr std::array<std::string_view, 4> in_the_way{"0A000", "42P16", "42809", "2BP01"};
        const std::string& state = of.does.fails->sqlstate;
        const bool alone = asked_.statements.size() == 1 && asked_.statements.front().line == 0;
        return can_be_copied(of.what) && std::find(in_the_way.begin(), in_the_way.end(), state) != in_the_way.end() &&
               (alone || is_read_by_others(of));
    }

    void refuse_or_copy(const part& whole) {
        const probe::failure& failed = *whole.does.fails;
        const std::string reason = failed.detail.empty() ? failed.message : failed.message + ": " + failed.detail;
        const bool copy = is_up_to_a_copy(whole);
        if (copy && asked_.method != run::method_choice::native) {
            made_.steps.push_back(copy_of(whole, reason));
        } else if (copy && is_read_by_others(whole)) {
            refuse(whole, fmt::format("{} can only be done by a copy: {}", whole.what.text, reason),
                   "allow it with --method auto");
        } else {
            refuse(whole, failed.message, failed.detail);
        }
    }

    [[nodiscard]] awaitable<void> add_statement(const part& whole, std::vector<part> parts) {
        if (fails(whole)) {
            refuse_or_copy(whole);
            co_return;
        }
        const bool from_file = asked_.statements[whole.of].line != 0;  // whose reader has taken it
        if (!from_file && !whole.does.not_understood.empty() && whole.does.source != probe::evidence::tried) {
            refuse(whole, whole.does.not_understood + ": " + whole.what.text, "run it by itself, with psql");
            co_return;
        }
        const bool together = std::any_of(parts.begin(), parts.end(), [](const part& each) { return fails(each); });
        if (together || (parts.size() == 1 && parts.front().what.text == whole.what.text)) {
            std::vector<part> one{whole};
            parts = std::move(one);  // a clause that does not stand by itself
        }
        std::vector<step> steps;
        std::string why_copy;
        for (const part& each : parts) {
            std::string why;
            std::vector<step> some = co_await steps_for(each, why);
            why_copy = why_copy.empty() ? why : why_copy;
            for (step& one : some) {
                steps.push_back(std::move(one));
            }
        }
        if (!why_copy.empty()) {
            steps.clear();
            const bool copies = can_be_copied(whole.what);
            if (copies && asked_.method != run::method_choice::native) {
                steps.push_back(copy_of(whole, why_copy));
            } else {
                const char* const what = copies ? "{} can only be done by a copy: {}" : "{} keeps others waiting: {}";
                refuse(whole, fmt::format(fmt::runtime(what), whole.what.text, why_copy),
                       copies ? "allow it with --method auto, or more time with --max-block"
                              : "allow it more time with --max-block");
            }
        }
        for (step& each : merged(std::move(steps))) {
            made_.steps.push_back(std::move(each));
        }
    }

    [[nodiscard]] step begun(const part& of, method how, std::string why) const {
        step one;
        one.statement = of.what.text;
        one.source = of.of;
        one.line = asked_.statements[of.of].line;
        one.session = known_.session;
        const auto& set = asked_.statements[of.of].session;
        one.session.insert(one.session.end(), set.begin(), set.end());
        one.table = table_of(of);
        one.how = how;
        one.why = std::move(why);
        one.evidence = of.does.source;
        one.pace = of.does.works() ? known_.shown.of(of.does).factor : 1;
        return one;
    }

    [[nodiscard]] step done_by(const part& of, recipe by) const {
        step one = begun(of, by.how, std::move(by.why));
        one.actions = std::move(by.actions);
        one.locks = of.does.locks;
        one.rewrites = of.does.rewrites;
        one.scans = of.does.scans;
        one.builds = of.does.builds;
        one.blocks_ms = of.does.blocks_ms;
        one.estimated_ms = of.does.work_ms;
        const bool gentle = by.how == method::validate || by.how == method::concurrently;
        if (gentle) {
            one.blocks_ms = std::min<std::int64_t>(of.does.blocks_ms.value_or(1), 1);
        }
        if (by.how == method::concurrently && of.what.kind == statement_kind::create_index) {
            for (probe::relation_lock& each : one.locks) {
                each.mode = std::min(each.mode, probe::lock_mode::share_update_exclusive);
            }
        }
        return one;
    }

    [[nodiscard]] step copy_of(const part& of, std::string why) const {
        step one = begun(of, method::copy, std::move(why));
        probe::relation_lock lock;
        lock.relation = one.table;
        lock.mode = probe::lock_mode::access_exclusive;
        lock.kind = probe::relation_kind::table;
        one.locks.push_back(std::move(lock));
        one.blocks_ms = 1;
        constexpr std::int64_t copy_takes = 4;  // rows and indexes written, replayed and compared
        if (of.does.work_ms) {
            one.estimated_ms = *of.does.work_ms * copy_takes;
        }
        action copying;
        copying.kind = action_kind::copy;
        copying.label = "copying";
        copying.statements.push_back(of.what.text);
        one.actions.push_back(std::move(copying));
        return one;
    }

    [[nodiscard]] step backfilled(const part& of, const ddl::statement& change) const {
        step one = begun(of, method::backfill, "it changes many rows: it is done in chunks");
        one.table = of.before.name_of(change.relation);
        one.locks = of.does.locks;
        one.scans.push_back(one.table);  // a chunk after the other
        one.estimated_ms = of.does.work_ms;
        one.blocks_ms = asked_.chunk_time.count();  // who writes a row of the chunk at work
        action chunks;
        chunks.kind = action_kind::backfill;
        chunks.label = "changing rows";
        chunks.statements.push_back(of.what.text);
        chunks.relation = parse_qualified_name(one.table);
        one.actions.push_back(std::move(chunks));
        return one;
    }

    /// @param why_copy set when only a copy would do
    [[nodiscard]] awaitable<std::vector<step>> steps_for(const part& of, std::string& why_copy) {
        std::vector<step> made;
        if (of.does.needless) {
            made.push_back(begun(of, method::nothing, "it is so already"));
            co_return made;
        }
        if (asks_for_steps(of.what)) {
            recipe by = plain(of);
            if (by.actions.front().kind == action_kind::transaction) {
                std::optional<recipe> other = co_await gentle(session_, of, known_);
                if (!other) {
                    refuse(of, "this form of CONCURRENTLY is not known to pgeist: " + of.what.text,
                           "run it by itself, with psql");
                    co_return made;
                }
                by = std::move(*other);
            }
            made.push_back(done_by(of, std::move(by)));
            co_return made;
        }
        const ddl::statement* change = long_change(of);
        if (change != nullptr) {
            made.push_back(backfilled(of, *change));
            co_return made;
        }
        const bool works = of.does.works() && keeps_waiting(of);
        std::optional<recipe> other;
        if (works) {
            other = co_await gentle(session_, of, known_);
        }
        if (!is_heavy(of)) {
            made.push_back(done_by(of, plain(of)));
            if (works) {
                made.back().why = fmt::format("{}, which takes less than --max-block ({})", work_of(of),
                                              format_duration(asked_.max_block));
                if (other) {
                    made.back().otherwise.push_back(done_by(of, std::move(*other)));
                } else if (can_be_copied(of.what) && asked_.method != run::method_choice::native) {
                    made.back().otherwise.push_back(copy_of(of, work_of(of)));
                }
            }
            co_return made;
        }
        if (other) {
            made.push_back(done_by(of, std::move(*other)));
        } else {
            why_copy = work_of(of);
        }
        co_return made;
    }

    /// The UPDATE or DELETE that is not certain to be quick: the statement itself, or one in its WITH.
    [[nodiscard]] const ddl::statement* long_change(const part& of) const {
        const bool quick = of.does.work_ms && *of.does.work_ms <= asked_.max_block.count();
        const auto is_long = [&](const ddl::statement& what) {
            const bool changes = what.kind == statement_kind::update || what.kind == statement_kind::remove ||
                                 what.kind == statement_kind::merge;
            const std::string table = of.before.name_of(what.relation);
            const bool is_new = of.before.is_new(table);  // nobody waits for its rows
            // ONLY a partitioned table: it has no rows of its own.
            const bool none = what.only && of.before.kind_of(table) == probe::relation_kind::partitioned_table;
            return changes && !what.pointed && !what.limited && !quick && !is_new && !none;
        };
        if (is_long(of.what)) {
            return &of.what;
        }
        const auto found = std::find_if(of.what.writes.begin(), of.what.writes.end(), is_long);
        return found == of.what.writes.end() ? nullptr : &*found;
    }

    /// Written so that the server does it in transactions of its own.
    [[nodiscard]] static bool asks_for_steps(const ddl::statement& what) {
        return what.concurrently || std::any_of(what.clauses.begin(), what.clauses.end(),
                                                [](const ddl::clause& each) { return each.concurrently; });
    }

    [[nodiscard]] std::string work_of(const part& of) const {
        const std::pair<const char*, const std::vector<std::string>&> work[] = {
            {"writes {} anew", of.does.rewrites}, {"builds {}", of.does.builds}, {"reads all of {}", of.does.scans}};
        for (const auto& [text, names] : work) {
            if (!names.empty()) {
                const std::string time =
                    of.does.work_ms
                        ? fmt::format(", about {}{}", format_duration(std::chrono::milliseconds(*of.does.work_ms)),
                                      described(known_.shown.of(of.does)))
                        : "";
                return fmt::format("it {} while others wait{}", fmt::format(fmt::runtime(text), join(names, ", ")),
                                   time);
            }
        }
        return "it keeps others waiting";
    }

    /// Neighbours that only change catalogs are done together.
    [[nodiscard]] static std::vector<step> merged(std::vector<step> all) {
        std::vector<step> out;
        const auto is_light = [](const step& each) {
            return each.how == method::native && each.rewrites.empty() && each.scans.empty() && each.builds.empty() &&
                   each.actions.size() == 1 && each.actions.front().kind == action_kind::transaction;
        };
        for (step& each : all) {
            if (out.empty() || !is_light(each) || !is_light(out.back()) || !join_clauses(out.back(), each)) {
                out.push_back(std::move(each));
            }
        }
        return out;
    }

    /// False where they are not clauses of the same ALTER.
    static bool join_clauses(step& into, const step& more) {
        const ddl::statement a = ddl::understand(into.statement);
        const ddl::statement b = ddl::understand(more.statement);
        const std::string head = head_of(a);
        if (!is_alter(a) || !is_alter(b) || head != head_of(b)) {
            return false;
        }
        into.statement += ", " + more.statement.substr(head.size());
        into.actions.front().statements = {into.statement};
        probe::effect both;
        both.locks = into.locks;
        for (const probe::relation_lock& each : more.locks) {
            both.lock(each.relation, each.mode, each.kind);
        }
        into.locks = both.locks;
        into.actions.front().locks = locks_of(both);
        into.actions.front().bounded = into.actions.front().bounded || more.actions.front().bounded;
        return true;
    }

    pg::connection& session_;
    const question& asked_;
    facts known_;
    choice made_;
};

}  // namespace

bool can_be_copied(const ddl::statement& what) {
    static constexpr std::array never{clause_kind::rename,           clause_kind::set_schema,
                                      clause_kind::attach_partition, clause_kind::detach_partition,
                                      clause_kind::detach_finalize,  clause_kind::inherit,
                                      clause_kind::no_inherit,       clause_kind::of_type,
                                      clause_kind::set_logged,       clause_kind::set_unlogged};
    return is_alter(what) && std::none_of(what.clauses.begin(), what.clauses.end(), [](const ddl::clause& each) {
               return std::find(never.begin(), never.end(), each.kind) != never.end();
           });
}

step copied(step from, std::string whole, std::string why) {
    step one;
    one.number = from.number;
    one.line = from.line;
    one.source = from.source;
    one.table = std::move(from.table);
    one.session = std::move(from.session);
    one.evidence = from.evidence;
    one.estimated_ms = from.estimated_ms;
    one.how = method::copy;
    one.why = std::move(why);
    one.blocks_ms = 1;
    probe::relation_lock lock;
    lock.relation = one.table;
    lock.mode = probe::lock_mode::access_exclusive;
    lock.kind = probe::relation_kind::table;
    one.locks.push_back(std::move(lock));
    action copying;
    copying.kind = action_kind::copy;
    copying.label = "copying";
    copying.statements.push_back(whole);
    one.actions.push_back(std::move(copying));
    one.statement = std::move(whole);
    return one;
}

bool choice::needs_copy() const {
    return std::any_of(steps.begin(), steps.end(), [](const step& each) { return each.how == method::copy; });
}

void number(choice& made) {
    int next = 0;
    for (step& each : made.steps) {
        each.number = ++next;
        for (step& other : each.otherwise) {
            other.number = each.number;
        }
    }
}

awaitable<choice> choose(pg::connection& session, question what) {
    facts known = co_await read_facts(session, what);
    choosing work(session, what, std::move(known));
    choice made = co_await work.run();
    co_return made;
}

}  // namespace pgeist::steps
