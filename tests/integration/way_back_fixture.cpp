#include "way_back_fixture.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/replay/replay_sql.hpp"
#include "pgeist/transfer/touched.hpp"
#include "pgeist/transfer/verify/verifier.hpp"

namespace pgeist::test {

namespace {

const qualified_name old_name{"public", "o"};
const qualified_name new_name{"public", "n"};

std::string value_of(const forth& column) {
    return column.expression.empty() ? quote_identifier(column.from) : column.expression;
}

}  // namespace

void way_back_test::SetUp() {
    database_test::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
        return;
    }
    pg::connect_options options;
    options.set("dbname", db().uri());
    pool_ = std::make_unique<pg::pool>(options, "pgeist test");
    session_ = await(pool_->open_own("pgeist test"));
    await(session().begin());
    await(job::ensure_state_schema(session()));
    await(session().commit());
    settings_.workers = 1;
}

void way_back_test::TearDown() {
    parts_.reset();
    session_.reset();
    pool_.reset();
    database_test::TearDown();
}

std::vector<transfer::column> way_back_test::columns_there(const std::vector<forth>& columns) {
    std::vector<transfer::column> there;
    for (const forth& each : columns) {
        transfer::column column;
        column.name = each.name;
        column.type = sql().scalar(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'public.n'::regclass AND "
            "attname "
            "= $1",
            {each.name});
        if (!each.from.empty()) {
            column.read_name = each.from;
        }
        if (!each.from.empty() || !each.expression.empty()) {
            column.expression = value_of(each);
        }
        column.compared = each.repeatable;
        there.push_back(std::move(column));
    }
    return there;
}

walk::key way_back_test::key_there(const std::vector<forth>& columns) {
    walk::key key;
    const auto parts = sql().query(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce((SELECT format('%I.%I', s.nspname, "
        "c.collname) "
        "FROM pg_collation c JOIN pg_namespace s ON s.oid = c.collnamespace WHERE c.oid = i.indcollation[p.at - 1]), "
        "'') "
        "FROM pg_index i CROSS JOIN generate_series(1, i.indnkeyatts) AS p (at) JOIN pg_attribute a ON a.attrelid = "
        "i.indrelid AND a.attnum = i.indkey[p.at - 1] WHERE i.indrelid = 'public.o'::regclass AND i.indisprimary ORDER "
        "BY "
        "p.at");
    key.index = "o_pkey";
    for (const auto& found : parts.rows) {
        walk::key_column part;
        part.read_name = *found[0];
        part.type = *found[1];
        part.collation = *found[2];
        for (const forth& each : columns) {
            if (each.from == part.read_name) {
                part.write_name = each.name;
            }
        }
        part.less = "OPERATOR(pg_catalog.<)";
        part.less_equal = "OPERATOR(pg_catalog.<=)";
        part.equal = "OPERATOR(pg_catalog.=)";
        part.greater_equal = "OPERATOR(pg_catalog.>=)";
        part.greater = "OPERATOR(pg_catalog.>)";
        key.columns.push_back(std::move(part));
    }
    return key;
}

transfer::way_back way_back_test::plan(const std::vector<forth>& columns,
                                       const std::map<std::string, std::string>& sets, const std::string& key_index) {
    await(session().begin());
    const catalog::table old_table =
        await(catalog::read_shape(session(), sql().number("SELECT 'public.o'::regclass::oid::bigint")));
    const catalog::table new_table =
        await(catalog::read_shape(session(), sql().number("SELECT 'public.n'::regclass::oid::bigint")));
    await(session().commit());
    const auto there = columns_there(columns);
    const auto key = key_there(columns);
    transfer::way_there known{old_table, new_table, there, key, key_index, {}, {}, {}, {}, {}};
    for (const auto& [name, expression] : sets) {
        known.sets[name] = transfer::back_set{expression, name + " = " + expression};
    }
    for (const catalog::column& each : old_table.columns) {
        known.assignable.insert(each.name);
        for (const forth& column : columns) {
            if (column.expression.find(quote_identifier(each.name)) != std::string::npos) {
                known.computed_from[column.from].insert(each.name);
            }
        }
    }
    return transfer::plan_way_back(known);
}

void way_back_test::begin(std::vector<forth> columns, const std::map<std::string, std::string>& sets) {
    std::string names;
    std::string values;
    for (const forth& each : columns) {
        if (!each.from.empty() || !each.expression.empty()) {
            names += (names.empty() ? "" : ", ") + quote_identifier(each.name);
            values += (values.empty() ? "" : ", ") + value_of(each);
        }
    }
    sql().execute("SET search_path = pg_catalog; INSERT INTO public.n (" + names + ") SELECT " + values +
                  " FROM public.o; RESET search_path; CREATE SCHEMA back");
    const transfer::way_back back = plan(columns, sets);
    ASSERT_EQ(join(back.refusals, "; "), "");
    const auto relation = [&](const qualified_name& name) {
        return transfer::relation{name, sql().number("SELECT '" + name.sql() + "'::regclass::oid::bigint")};
    };
    spec_ = transfer::as_spec(back, relation(new_name), relation(old_name), "back", row_triggers_);
    first_ = spec_;
    there_ = columns_there(columns);
    key_ = key_there(columns);
    put_on();
}

void way_back_test::put_on() {
    const auto numbers = await(capture::read_key_numbers(session(), spec_, spec_.read.name));
    await(session().execute(capture::log_sql(spec_, numbers) +
                            replay::set_apart_tables_sql(spec_, spec_.read.name, spec_.write.name) +
                            capture::dormant_triggers_sql(spec_, spec_.read.name)));
    job::beginning what;
    what.kind = "copy";
    what.table = spec_.read.name;
    what.table_oid = spec_.read.oid;
    what.change = plan::to_json(plan::change_request());
    what.phase = "prepare";
    mine_ = await(job::create(session(), what));
    await(job::save_source_file(session(), mine_, spec_.read.oid));
    await(session().execute(capture::enable_sql(spec_, spec_.read.name)));
    parts_ = std::make_unique<transfer::workspace>(transfer::workspace{
        *pool_, mine_.job, spec_, settings_, observer_, progress_, road_, mine_.incarnation, 0, nullptr});
}

void way_back_test::turn() {
    const transfer::spec before = spec_;
    ++leg_;
    transfer::spec next = leg_ % 2 == 0 ? transfer::turned(first_, there_, key_) : first_;
    next.schema = fmt::format("leg_{}", leg_);
    sql().execute(capture::drop_triggers_sql(before, before.read.name) + "CREATE SCHEMA " + next.schema);
    parts_.reset();
    spec_ = std::move(next);
    put_on();
    sql().execute(transfer::take_over_sql(before, spec_) + "DROP SCHEMA " + before.schema + " CASCADE");
}

void way_back_test::replay() {
    replay::replayer changes(*parts_);
    await(changes.pass());
}

void way_back_test::replay(const replay::selection& rows) {
    await(replay::prepare_replayer(session(), settings_));
    await(session().begin(pg::isolation::repeatable_read));
    await(replay::apply(session(), spec_, rows));
    await(session().commit());
}

void way_back_test::compare() {
    replay::replayer changes(*parts_);
    verify::verifier checker(*parts_);
    await(checker.look_up_all());
    await(checker.compare_all());
    await(checker.settle(changes));
    EXPECT_EQ(checker.found().differences, 0) << join(observer_.messages, "\n");
    sql().execute("DELETE FROM pgeist.chunks");
}

void way_back_test::expect_old(const std::string& columns, const std::string& expected) {
    EXPECT_EQ(log_rows(), 0);
    const std::string rows =
        "SELECT coalesce(string_agg(format('%s', ROW(" + columns + ")), ' ' ORDER BY " + columns + "), '') FROM o";
    EXPECT_EQ(sql().scalar(rows), expected);
}

std::vector<std::string> way_back_test::unfit() {
    const replay::unfit_look found = await(replay::look_at_unfit(session(), spec_));
    std::vector<std::string> out;
    for (const replay::unfit_row& each : found.first) {
        out.push_back(each.key + ": " + each.reason);
    }
    return out;
}

std::int64_t way_back_test::log_rows() { return sql().number("SELECT count(*) FROM " + spec_.log().sql()); }

}  // namespace pgeist::test
