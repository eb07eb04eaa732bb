#include "pgeist/tasks/way_back/planning.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "comments.hpp"
#include "others.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/dependents/dependents.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/swap/exchange.hpp"
#include "pgeist/swap/plan/steps.hpp"
#include "pgeist/target/group.hpp"
#include "pgeist/target/steps.hpp"
#include "pgeist/tasks/rewrite/back_log.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/touched.hpp"
#include "pgeist/transfer/way_back.hpp"
#include "trial.hpp"

namespace pgeist::way_back {

namespace {

using target::build_context;

/// Waits for nobody but holders of ACCESS EXCLUSIVE; from here on the definition cannot change.
awaitable<catalog::table> read_in_use(pg::connection& conn, const beginning& from) {
    co_await conn.execute(fmt::format("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", from.now.back.read.name.sql()));
    catalog::table source = co_await catalog::read_table(conn, from.now.back.read.oid);
    if (source.name.sql() != from.now.back.read.name.sql()) {
        throw error(exit_code::refused,
                    fmt::format("{} is called {} now", from.now.back.read.name.display(), source.name.display()),
                    "give it its name again, and then try again");
    }
    co_return source;
}

void describe_place(build_context& at, const beginning& from, const catalog::table& before) {
    at.shadow_oid = from.now.back.write.oid;
    at.adopted = true;
    at.texts_before = from.now.texts;
    for (const auto& [old_number, new_number] : from.now.same_columns) {
        const int waiting = from.now.old_is_in_use() ? new_number : old_number;
        const int in_use = from.now.old_is_in_use() ? old_number : new_number;
        if (at.source.find_column(in_use) != nullptr) {
            at.source_attnums[waiting] = in_use;
        }
    }
    for (const auto& each : before.sequences) {
        if (each.identity) {
            at.identity_sequences.insert(each.oid);
        }
    }
}

/// What the table that waits is to be, with what it is called while it waits.
catalog::table as_it_waits(const build_context& at, catalog::table before) {
    for (auto& each : before.sequences) {
        if (each.identity) {
            each.name.schema = at.job_schema;
        }
    }
    for (auto& each : before.extended_statistics) {
        each.name.schema = at.job_schema;
    }
    return before;
}

void fill_basics(const build_context& at, const beginning& from, plan::blueprint& into) {
    into.table = at.source.name;
    into.source_oid = at.source.oid;
    into.shadow_oid = at.shadow_oid;
    into.job_schema = at.job_schema;
    into.passage_schema = at.passage_schema;
    into.row_triggers = from.now.back.row_triggers;
    into.fingerprint = at.source.fingerprint;
    into.profile = from.first.profile;
    into.pass_digest = from.first.pass_digest;
    into.key = from.now.back.key;
    into.columns = from.now.back.columns;
    into.estimated_rows = at.source.estimated_rows;
    into.table_bytes = at.source.table_bytes;
    into.index_bytes = at.source.index_bytes;
}

/// Defaults that the swap took off it: they drew from a sequence that went with the other table.
awaitable<void> plan_defaults(build_context& at, const catalog::table& before, plan::blueprint& into) {
    const catalog::table now = co_await catalog::read_shape(at.conn, at.shadow_oid);
    for (const auto& was : before.columns) {
        const auto* column = now.find_column(was.attnum);
        if (column != nullptr && was.default_expression && was.generated == 0 && !column->default_expression) {
            into.swap.add(plan::stage::attach,
                          {"the default of column " + display_identifier(was.name),
                           fmt::format("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT {}", at.source.name.sql(),
                                       quote_identifier(was.name), *was.default_expression)});
        }
    }
}

/// The bound by the parent's own key, for the DEFAULT partition. Where the parent is a partition itself the server
/// tells of both together, and has to look for itself.
awaitable<void> note_bound(build_context& at) {
    if (!at.source.is_partition) {
        co_return;
    }
    co_await at.conn.execute(catalog::reading_settings);
    const auto rows = co_await at.conn.query(
        "SELECT CASE WHEN p.relispartition THEN '' ELSE pg_get_partition_constraintdef($1::bigint::oid) END "
        "FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = $1::bigint::oid",
        at.source.oid);
    at.own_bound = rows.text(0, 0);
    co_await at.conn.execute(catalog::session_settings(at.conn));
}

plan::revert_plan what_follows(const build_context& at, const beginning& from) {
    plan::revert_plan next = from.now;
    next.leg = from.now.leg + 1;
    next.back =
        next.old_is_in_use() ? transfer::turned(from.now.first, from.now.there, from.first.key) : from.now.first;
    next.back.schema = next.old_is_in_use() ? rewrite::again_schema(from.job) : rewrite::back_schema(from.job);
    next.back.read = {at.source.name, at.shadow_oid};
    next.back.write = {at.shadow, at.source.oid};
    next.back.row_triggers = from.now.first.row_triggers;
    next.back.sets_apart = true;
    next.waiting = at.source;
    next.texts = at.texts_now;
    // Those that others have dropped since have nothing to be brought to.
    std::erase_if(next.back.columns, [&](const auto& column) { return at.source.find_column(column.name) == nullptr; });
    std::erase_if(next.back.read_columns,
                  [&](const std::string& name) { return from.now.waiting.find_column(name) == nullptr; });
    for (transfer::column& each : next.back.columns) {
        const catalog::column* made = at.source.find_column(each.name);
        each.kept = each.kept && (made == nullptr || made->generated == 0);  // what the server gives follows by itself
    }
    next.take_over = transfer::take_over_sql(from.now.back, next.back);
    next.last_swap.reset();
    return next;
}

/// What belongs to the way back alone.
void plan_own_part(const build_context& at, const beginning& from, const plan::revert_plan& next,
                   plan::blueprint& into) {
    const qualified_name& home = at.source.name;
    into.swap.add(plan::stage::attach, {"letting everybody write into it again", swap::drop_wall_sql(home)});
    into.swap.add(plan::stage::attach,
                  {"logging what is written, for another way back", capture::enable_sql(next.back, home)});
    into.swap.add(plan::stage::attach,
                  {"noting where its rows are", job::save_source_file_sql(from.job, at.shadow_oid)});
    into.swap.add(plan::stage::attach,
                  {"noting the way from there", fmt::format("UPDATE pgeist.jobs SET way_back = way_back -> 'next' "
                                                            "WHERE id = {}",
                                                            from.job)});
}

std::string describe_parents(const catalog::table& of) {
    std::vector<std::string> names;
    for (const auto& each : of.inherits) {
        names.push_back(each.name.display() + (each.bound.empty() ? "" : " " + each.bound));
    }
    return names.empty() ? "no table" : join(names, ", ");
}

/// The table that comes back takes the place of the one in use: it is to be the same place that it had.
void require_same_parents(const catalog::table& source, const catalog::table& before) {
    const auto is_same = [](const catalog::parent& one, const catalog::parent& other) {
        return one.oid == other.oid && one.bound == other.bound;
    };
    const bool same = std::equal(source.inherits.begin(), source.inherits.end(), before.inherits.begin(),
                                 before.inherits.end(), is_same);
    if (!same) {
        throw error(exit_code::refused,
                    fmt::format("since the swap others have made {} a part of {}; before it was one of {}",
                                source.name.display(), describe_parents(source), describe_parents(before)),
                    "undo that, then try again");
    }
}

void require_carried(const catalog::table& source) {
    for (const auto& each : source.dependents) {
        throw error(exit_code::refused,
                    fmt::format("{} depends on {} and cannot be led to the table that comes back: {}", each.name,
                                source.name.display(), each.reason),
                    "drop it for the time of the swap");
    }
}

/// One table on its way: what the stages of planning hand on.
struct in_planning {
    in_planning(pg::connection& conn, const beginning& what, catalog::table in_use)
        : from(what), source(std::move(in_use)), at(conn, source, from.change, rewrite::job_schema(from.job)) {}

    beginning from;
    catalog::table source;
    build_context at;
    catalog::table before;  ///< the table that waits as it is to be
    catalog::table after;   ///< the same, with what it is called while it waits
    planned made;
};

using all_in_planning = std::vector<std::unique_ptr<in_planning>>;

/// What others have done since the last swap.
awaitable<void> look_at_both(in_planning& one) {
    build_context& at = one.at;
    one.before = one.from.now.waiting;
    co_await lead_keys_to_todays_tables(at, one.from.lose, one.before);
    co_await lead_comments(at, one.from.now, one.before);
    fill_basics(at, one.from, one.made.swap);
    one.made.swap.fingerprint_parts = co_await catalog::fingerprint_parts(at.conn, at.source.oid);
    require_same_parents(at.source, one.before);  // first: a part has others of all
    require_nothing_put_on(one.from.now, one.made.swap.fingerprint_parts, at.source, one.from.lose);
    co_await require_waiting_unchanged(at.conn, one.from.now);
    require_carried(at.source);
}

/// What refers to each table is what the others that come back with it have.
void tie_keys(const all_in_planning& all) {
    for (const auto& to : all) {
        std::erase_if(to->before.referenced_by, [&](const catalog::foreign_key& key) {
            return target::in_group(to->at, key.table_oid) != nullptr;
        });
        for (const auto& from : all) {
            for (catalog::foreign_key key : from->before.foreign_keys) {
                if (from != to && key.referenced_oid == to->source.oid) {
                    key.table_oid = from->source.oid;
                    key.table = from->source.name;
                    key.referenced_oid = to->at.shadow_oid;
                    to->before.referenced_by.push_back(std::move(key));
                }
            }
        }
    }
}

awaitable<void> plan_exchange(in_planning& one) {
    build_context& at = one.at;
    plan::blueprint& into = one.made.swap;
    co_await swap::plan_swap(at, one.after, into);
    co_await swap::plan_swap_objects(at, one.after, into);
    co_await dependents::plan_bound_objects(at, one.after, into);
    co_await plan_defaults(at, one.before, into);
    co_await plan_comments(at, one.before, into);
    into.expected = swap::expected_definition(at, one.before);
    into.swap.add_all(plan::stage::finish, at.finish);
    co_await swap::plan_swap_parents(at, one.after, into);
    co_await swap::check_locks(at, into);
}

awaitable<void> prepare_place(in_planning& one) {
    build_context& at = one.at;
    co_await try_attached(at, one.after);
    co_await note_bound(at);
    // Of an attempt that was given up.
    co_await at.conn.execute(
        fmt::format("ALTER TABLE {} DROP CONSTRAINT IF EXISTS pgeist_partition_bound; DROP TYPE IF "
                    "EXISTS {}.pgeist_collations",
                    at.shadow.sql(), quote_identifier(at.passage_schema)));
    co_await swap::prove_partition(at, one.made.swap);
    one.made.next = what_follows(at, one.from);
    plan_own_part(at, one.from, one.made.next, one.made.swap);
    co_await rewrite::make_back_log(at.conn, one.made.next.back, at.shadow, at.source.name);
    one.made.next.last_swap = one.made.swap;
    one.made.warnings = at.warnings;
}

awaitable<std::unique_ptr<in_planning>> take_in(pg::connection& conn, const beginning& from) {
    auto source = co_await read_in_use(conn, from);
    auto one = std::make_unique<in_planning>(conn, from, std::move(source));
    describe_place(one->at, from, from.now.waiting);
    co_await conn.execute("CREATE SCHEMA IF NOT EXISTS " + quote_identifier(one->at.passage_schema));
    co_await conn.execute(catalog::session_settings(conn));
    co_await target::read_event_triggers(one->at);
    if (one->source.inherits_columns()) {
        co_await target::find_parents(one->at);
    }
    co_return one;
}

/// The tables get to know each other. What stood on several of them may have been led by another one before.
std::vector<build_context*> introduce_all(const all_in_planning& all) {
    std::vector<build_context*> contexts;
    std::vector<plan::led_text> texts;
    for (const auto& each : all) {
        contexts.push_back(&each->at);
        texts.insert(texts.end(), each->at.texts_before.begin(), each->at.texts_before.end());
    }
    if (all.size() > 1) {
        target::introduce(contexts);
        for (const auto& each : all) {
            each->at.texts_before = texts;
        }
    }
    return contexts;
}

void require_separate_views(const all_in_planning& all) {
    std::vector<const plan::blueprint*> plans;
    for (const auto& each : all) {
        plans.push_back(&each->made.swap);
    }
    if (plans.size() > 1) {
        swap::require_separate_views(plans);
    }
}

/// Every table's refusals at once: what --lose lets go of one is let go of all, so all must have been named.
awaitable<void> look_at_all(all_in_planning& all) {
    std::vector<error> refused;
    for (const auto& each : all) {
        try {
            co_await look_at_both(*each);
        } catch (const error& problem) {
            if (problem.code() != exit_code::refused) {
                throw;
            }
            refused.push_back(problem);
        }
    }
    if (refused.empty()) {
        co_return;
    }
    std::vector<std::string> messages;
    for (const error& each : refused) {
        messages.emplace_back(each.what());
    }
    throw error(exit_code::refused, join(messages, "; "), refused.front().hint());
}

}  // namespace

awaitable<std::vector<planned>> plan_swaps_back(pg::connection& conn, std::vector<beginning> wanted) {
    all_in_planning all;
    for (const beginning& each : wanted) {
        auto one = co_await take_in(conn, each);
        all.push_back(std::move(one));
    }
    const std::vector<build_context*> contexts = introduce_all(all);
    co_await look_at_all(all);
    tie_keys(all);
    for (const auto& each : all) {
        each->after = as_it_waits(each->at, each->before);
        target::note_changes(each->at, each->after);
    }
    if (all.size() > 1) {
        co_await dependents::deal_out_views(contexts);
    }
    for (const auto& each : all) {
        co_await plan_exchange(*each);
    }
    require_separate_views(all);
    std::vector<planned> made;
    for (const auto& each : all) {
        co_await prepare_place(*each);
        made.push_back(std::move(each->made));
    }
    co_return made;
}

}  // namespace pgeist::way_back
