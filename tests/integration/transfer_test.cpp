#include "job_test.hpp"

#include "pgeist/job/state_schema.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/replay/replayer.hpp"
#include "pgeist/transfer/verify/verifier.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {

/// A transfer between two ordinary tables, without anything that plans, builds or swaps: capture, copy, replay and
/// comparison know of nothing but a transfer::spec.
class transfer_rooms : public job_test {
protected:
    void SetUp() override {
        job_test::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        sql().execute(
            "CREATE TABLE public.a (id int PRIMARY KEY, v text, price numeric(8,2)); "
            "CREATE TABLE public.b (price text, key bigint PRIMARY KEY, v text); "
            "INSERT INTO public.a SELECT i, 'row ' || i, i / 4.0 FROM generate_series(1, 1000) AS i");
        await(session().begin());
        await(job::ensure_state_schema(session()));
        await(session().commit());
        made_.table = {"public", "a"};
    }

    /// From `a` to `b`: other names, types and order of columns.
    transfer::spec there() {
        return spec("a", "id", "integer", "b", "key", "there", {{"price", "price::pg_catalog.text"}});
    }
    /// And from `b` to `a`.
    transfer::spec back() {
        return spec("b", "key", "bigint", "a", "id", "back", {{"price", "price::pg_catalog.\"numeric\""}});
    }

    /// Creates the log and the triggers, and what the parts of the transfer work with.
    void begin(transfer::spec of) {
        spec_ = std::move(of);
        const long long oid = spec_.read.oid;
        sql().execute("CREATE SCHEMA " + spec_.schema);
        mine_ = await(job::create(session(), beginning_of(spec_.read.name, oid)));
        await(session().execute(pgeist::capture::log_sql(spec_, await(pgeist::capture::read_key_numbers(
                                                                    session(), spec_, spec_.read.name))) +
                                pgeist::capture::triggers_sql(spec_)));
        await(job::save_source_file(session(), mine_, oid));
        parts_ = std::make_unique<pgeist::transfer::workspace>(pgeist::transfer::workspace{
            pool(), mine_.job, spec_, chosen_, observer(), progress_, road_, mine_.incarnation, 0, nullptr});
    }

    /// Replays all, compares every row, and takes the triggers off.
    void end() {
        pgeist::replay::replayer changes(*parts_);
        await(changes.reach_consistent_point());
        verify::verifier checker(*parts_);
        await(checker.look_up_all());
        await(checker.compare_all());
        await(checker.settle(changes));
        EXPECT_EQ(checker.found().differences, 0);
        EXPECT_GT(checker.found().rows, 0);
        EXPECT_EQ(await(pgeist::capture::why_not_in_place(session(), spec_)).value_or(""), "");
        sql().execute(pgeist::capture::drop_triggers_sql(spec_, spec_.read.name));
    }

    [[nodiscard]] pgeist::transfer::workspace& parts() { return *parts_; }

    void expect_same() {
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.a FULL JOIN public.b ON a.id = b.key WHERE a.id IS NULL OR "
                               "b.key IS NULL OR ROW(a.v, a.price::text) IS DISTINCT FROM ROW(b.v, b.price)"),
                  0);
    }

private:
    transfer::spec spec(const std::string& read, const std::string& read_key, const std::string& type,
                        const std::string& write, const std::string& write_key, const std::string& schema,
                        const std::vector<std::pair<std::string, std::string>>& converted) {
        transfer::spec out;
        const auto oid = [&](const std::string& table) {
            return sql().number("SELECT 'public." + table + "'::regclass::oid::bigint");
        };
        out.read = {{"public", read}, oid(read)};
        out.write = {{"public", write}, oid(write)};
        out.write.has_leaves =
            sql().scalar("SELECT relkind FROM pg_class WHERE oid = 'public." + write + "'::regclass") == "p";
        out.schema = schema;
        walk::key_column key;
        key.read_name = read_key;
        key.write_name = write_key;
        key.type = type;
        key.less = "OPERATOR(pg_catalog.<)";
        key.less_equal = "OPERATOR(pg_catalog.<=)";
        key.equal = "OPERATOR(pg_catalog.=)";
        key.greater_equal = "OPERATOR(pg_catalog.>=)";
        key.greater = "OPERATOR(pg_catalog.>)";
        out.key.index = read + "_pkey";
        out.key.columns.push_back(std::move(key));
        const auto add = [&](const std::string& name, const std::string& from, const std::string& expression) {
            transfer::column column;
            column.name = name;
            column.type = sql().scalar(
                "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
                "'public." +
                write + "'::regclass AND attname = '" + name + "'");
            column.read_name = from;
            column.expression = expression;
            column.conversion = "unchanged";
            out.columns.push_back(std::move(column));
        };
        add(write_key, read_key, quote_identifier(read_key));
        add("v", "v", "v");
        for (const auto& [name, expression] : converted) {
            add(name, name, expression);
        }
        return out;
    }

    plan::change_request made_;
    run::settings chosen_;
    transfer::spec spec_;
    job::tenure mine_;
    report::progress progress_;
    open_road road_;
    std::unique_ptr<pgeist::transfer::workspace> parts_;
};

TEST_F(transfer_rooms, go_from_one_ordinary_table_to_another_and_back) {
    begin(there());
    sql().execute("UPDATE public.a SET v = 'before' WHERE id = 1");
    await(pgeist::copy::copy_all(parts()));
    sql().execute(
        "UPDATE public.a SET v = 'after', price = -1 WHERE id <= 10; DELETE FROM public.a WHERE id BETWEEN 500 AND "
        "600; "
        "UPDATE public.a SET id = id + 10000 WHERE id > 900; INSERT INTO public.a VALUES (501, 'again', NULL)");
    end();
    expect_same();

    sql().execute("TRUNCATE public.a");
    begin(back());
    await(pgeist::copy::copy_all(parts()));
    sql().execute(
        "UPDATE public.b SET price = '7.50' WHERE key = 3; DELETE FROM public.b WHERE key > 10990; INSERT INTO "
        "public.b "
        "VALUES (NULL, 2000, 'new')");
    end();
    expect_same();
    EXPECT_EQ(sql().scalar("SELECT price FROM public.a WHERE id = 3"), "7.50");
}

// What the write side has not become by way of the transfer is found, and mended.
TEST_F(transfer_rooms, a_row_that_somebody_else_wrote_is_found) {
    begin(there());
    await(pgeist::copy::copy_all(parts()));
    sql().execute("UPDATE public.b SET v = 'forged' WHERE key = 77");
    pgeist::replay::replayer changes(parts());
    verify::verifier checker(parts());
    await(checker.compare_all());
    EXPECT_EQ(checker.found().differences, 1);
    await(checker.settle(changes));
    expect_same();
}

// A write side with leaves: a place means another row in each of them.
TEST_F(transfer_rooms, replay_deletes_the_right_row_of_a_partitioned_write_side) {
    sql().execute(
        "DROP TABLE public.b; CREATE TABLE public.b (price text, key bigint PRIMARY KEY, v text) PARTITION BY HASH "
        "(key); "
        "CREATE TABLE public.b0 PARTITION OF public.b FOR VALUES WITH (MODULUS 3, REMAINDER 0); "
        "CREATE TABLE public.b1 PARTITION OF public.b FOR VALUES WITH (MODULUS 3, REMAINDER 1); "
        "CREATE TABLE public.b2 PARTITION OF public.b FOR VALUES WITH (MODULUS 3, REMAINDER 2)");
    begin(there());
    await(pgeist::copy::copy_all(parts()));
    ASSERT_GT(sql().number("SELECT count(*) - count(DISTINCT ctid) FROM public.b"), 0) << "places alone are ambiguous";
    sql().execute("DELETE FROM public.a WHERE id % 7 = 0; UPDATE public.a SET v = 'new' WHERE id % 5 = 0");
    end();
    expect_same();
}

}  // namespace pgeist::test
