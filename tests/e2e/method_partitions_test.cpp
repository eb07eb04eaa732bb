// Changes of partitioned tables, without a copy: partition by partition, and by what is proven before.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/prober.hpp"

namespace pgeist::test {
namespace {

using strings = std::vector<std::string>;

class method_partitions : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            sql().execute(setup("app") + setup("native"));
        }
    }

    /// A table in three partitions, one of them partitioned itself, and what it may refer to.
    static std::string setup(const std::string& schema) {
        return "CREATE SCHEMA " + schema + "; SET search_path = " + schema +
               "; CREATE TABLE t (id int NOT NULL, code int, note text) PARTITION BY RANGE (id); "
               "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1000); "
               "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (1000) TO (3000) PARTITION BY RANGE (id); "
               "CREATE TABLE t21 PARTITION OF t2 FOR VALUES FROM (1000) TO (2000); "
               "CREATE TABLE t22 PARTITION OF t2 FOR VALUES FROM (2000) TO (3000); "
               "CREATE TABLE rest PARTITION OF t DEFAULT; "
               "INSERT INTO t SELECT i, i % 100, repeat('note ', 60) FROM generate_series(0, 2999) i; "
               "CREATE TABLE other (code int PRIMARY KEY); INSERT INTO other SELECT generate_series(0, 99); "
               "CREATE TABLE next (id int NOT NULL, code int, note text); "
               "INSERT INTO next SELECT i, 1, repeat('note ', 60) FROM generate_series(3000, 3999) i; "
               "RESET search_path; ANALYZE;";
    }

    /// Constraints and indexes of all tables of the schema, as the catalogs have them.
    std::string definition_of(const std::string& schema) {
        return sql().scalar(
            "SELECT string_agg(line, chr(10) ORDER BY line) FROM ("
            "SELECT format('%s %s %s %s %s %s %s', c.relname, k.conname, replace(pg_get_constraintdef(k.oid), $1 || "
            "'.', ''), "
            "k.convalidated, k.conislocal AND k.contype <> 'n', k.coninhcount, k.conparentid <> 0) AS line FROM "
            "pg_constraint k JOIN "
            "pg_class c "
            "ON c.oid = k.conrelid WHERE c.relnamespace = $1::regnamespace "
            "UNION ALL SELECT format('%s %s %s', i.indrelid::regclass::name, replace(pg_get_indexdef(i.indexrelid), $1 "
            "|| '.', ''), "
            "i.indisvalid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = "
            "$1::regnamespace "
            "UNION ALL SELECT format('%s part of %s %s', c.relname, i.inhparent::regclass::name, "
            "pg_get_expr(c.relpartbound, c.oid)) "
            "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relnamespace = $1::regnamespace) AS x",
            {schema});
    }

    run_result change(const std::string& alter, const std::string& table = "app.t") {
        return command("run", {"--output", "json", "--table", table, "--alter", alter, "--method", "native",
                               "--max-block", "1ms"});
    }

    /// The same, beside an application that works in three partitions.
    run_result change_beside(const std::string& alter) {
        const std::string rows = " WHERE id IN (3, 1003, 2003)";
        slow_data slow(sql(), "app");
        prober application(db(), {"SELECT count(*) FROM app.t" + rows, "UPDATE app.t SET note = note" + rows,
                                  slow_data::end_of_round()});
        run_result result = change(alter);
        EXPECT_LT(application.stop(), 1 + prober::lock_share);
        reads_ = slow.held() > 0;
        return result;
    }

    void expect_as_plain(const std::string& alter, const std::string& method) {
        sql().execute("SET search_path = native; ALTER TABLE t " + alter + "; RESET search_path");
        sql().execute("ALTER DATABASE " + db().name() + " SET search_path = app");
        const run_result result = change_beside(alter);
        ASSERT_TRUE(exited(result, 0));
        std::string last;
        for (const auto& each : result.events("step")) {
            last = text_of(each, "method");
        }
        EXPECT_EQ(last, method);
        EXPECT_EQ(reads_, method != "native") << "the data were not slow";
        sql().execute("SET search_path = app");  // names come out without it
        const std::string app = definition_of("app");
        sql().execute("SET search_path = native");
        EXPECT_EQ(app, definition_of("native"));
        sql().execute("RESET search_path");
    }

    bool reads_ = false;  ///< whether a statement of the change has read the rows
};

TEST_F(method_partitions, get_a_unique_constraint_leaf_by_leaf) {
    expect_as_plain("ADD UNIQUE (id, code)", "concurrently");
}

TEST_F(method_partitions, get_a_primary_key_leaf_by_leaf) {
    expect_as_plain("ADD CONSTRAINT t_key PRIMARY KEY (id)", "concurrently");
}

TEST_F(method_partitions, get_a_foreign_key) { expect_as_plain("ADD FOREIGN KEY (code) REFERENCES other", "validate"); }

TEST_F(method_partitions, get_a_check) { expect_as_plain("ADD CONSTRAINT small CHECK (code < 100)", "validate"); }

TEST_F(method_partitions, get_a_column) { expect_as_plain("ADD COLUMN extra int DEFAULT 5 NOT NULL", "native"); }

TEST_F(method_partitions, require_values) { expect_as_plain("ALTER COLUMN code SET NOT NULL", "validate"); }

TEST_F(method_partitions, are_attached_with_a_proof) {
    expect_as_plain("ATTACH PARTITION next FOR VALUES FROM (3000) TO (4000)", "validate");
    EXPECT_EQ(sql().number("SELECT count(*) FROM app.t"), 4000);
}

TEST_F(method_partitions, that_do_not_fit_are_not_attached_and_keep_no_proof) {
    sql().execute("INSERT INTO app.next VALUES (9999, 1, 'too far')");
    const std::string before = definition_of("app");
    sql().execute("ALTER DATABASE " + db().name() + " SET search_path = app");
    EXPECT_TRUE(exited(change("ATTACH PARTITION next FOR VALUES FROM (3000) TO (4000)"), 1));
    EXPECT_EQ(definition_of("app"), before);
}

TEST_F(method_partitions, are_detached) {
    sql().execute("DROP TABLE app.rest, native.rest");  // CONCURRENTLY wants none
    sql().execute("ALTER DATABASE " + db().name() + " SET search_path = app");
    EXPECT_TRUE(exited(change("DETACH PARTITION t1 CONCURRENTLY"), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM app.t"), 2000);
    EXPECT_TRUE(exited(change("DETACH PARTITION t2"), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM app.t"), 0);
}

TEST_F(method_partitions, are_renamed_and_moved) {
    EXPECT_TRUE(exited(change("RENAME TO renamed"), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM app.renamed"), 3000);
}

}  // namespace
}  // namespace pgeist::test
