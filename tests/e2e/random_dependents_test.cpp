// Tables at random whose columns are of citext, hstore and ltree, with dependents of every kind: whatever the change,
// the dependents answer afterwards what they answered before. A failure is run again with the PGEIST_SEED that it
// prints; PGEIST_ROUNDS makes more of them.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "e2e/kitchen_sink_sql.hpp"
#include "e2e/random_dependents.hpp"
#include "e2e/run_test.hpp"
#include "support/leftovers.hpp"
#include "support/table_description.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

/// A few in every test run; hundreds when somebody asks for them.
int rounds() {
    const char* given = std::getenv("PGEIST_ROUNDS");
    return given != nullptr ? std::atoi(given) : 3;
}

class random_dependents_test : public run_test {
protected:
    void test(test_database& database) {
        const dependents_setting setting{"", database.create_role("owner"), database.create_role("other"),
                                         database.create_role("reader")};
        sync_connection connection = database.connect();
        connection.execute("GRANT CREATE ON DATABASE " + database.name() + " TO " + setting.owner);
        const std::uint64_t seed = workload_seed();
        for (int round = 0; round < rounds() && !HasFailure(); ++round) {
            try {
                test_one(database, connection, setting, seed + static_cast<std::uint64_t>(round));
            } catch (const sql_error& error) {
                ADD_FAILURE() << "PGEIST_SEED=" << seed + static_cast<std::uint64_t>(round) << ": " << error.what();
            }
        }
    }

private:
    void test_one(test_database& database, sync_connection& connection, dependents_setting setting,
                  std::uint64_t seed) {
        static const std::vector<std::string> schemas{"public", "\"Ext.Ensions\"", "ext"};
        setting.extensions = schemas[seed % 3];
        const bool by_owner = seed / 3 % 2 == 0;
        const random_dependents made = make_random_dependents(seed, setting);
        prepare(connection, setting);
        connection.execute(made.setup);

        const std::vector<std::string> before = answers(connection, made.probes, "d");
        const std::vector<std::string> description = describe_table(connection, "app", "t");
        std::vector<std::string> arguments{"run", "--table", "app.t", "--keep-old"};
        arguments.insert(arguments.end(), made.change.begin(), made.change.end());
        const run_result result =
            run_pgeist(by_owner ? database.uri_as(setting.owner) : database.uri(), std::move(arguments));
        EXPECT_TRUE(exited(result, 0));
        const std::vector<std::string> after =
            answers(connection, made.probes, result.exit_code == 0 ? made.renamed : "d");
        EXPECT_EQ(description_difference(before, after), std::vector<std::string>{});
        if (made.change[0] == "--repack") {
            EXPECT_EQ(description_difference(description, describe_table(connection, "app", "t")),
                      std::vector<std::string>{});
        }
        EXPECT_TRUE(exited(run_pgeist(database.uri(), {"cleanup", "--all"}), 0));
        if (HasFailure()) {
            ADD_FAILURE() << "PGEIST_SEED=" << seed << (by_owner ? ", by the owner\n" : ", by the superuser\n")
                          << made.setup << "pgeist run " << made.change[0] << ' '
                          << (made.change.size() > 1 ? made.change[1] : "");
        }
    }

    static void prepare(sync_connection& connection, const dependents_setting& setting) {
        connection.execute("DROP EXTENSION IF EXISTS citext, hstore, ltree CASCADE");
        connection.execute("DROP SCHEMA IF EXISTS app, \"Other.One\", ext, \"Ext.Ensions\" CASCADE");
        if (setting.extensions != "public") {
            connection.execute("CREATE SCHEMA " + setting.extensions);
        }
        for (const char* extension : {"citext", "hstore", "ltree"}) {
            connection.execute(std::string("CREATE EXTENSION ") + extension + " SCHEMA " + setting.extensions);
        }
    }

    /// What each of the statements says, one after another in a transaction that is taken back.
    static std::vector<std::string> answers(sync_connection& connection, const std::vector<std::string>& probes,
                                            const std::string& renamed) {
        std::vector<std::string> said;
        connection.execute("BEGIN");
        for (std::size_t n = 0; n < probes.size(); ++n) {
            std::string answer = std::to_string(n) + " " + probes[n] + ":";
            connection.execute("SAVEPOINT probe");
            try {
                const result_set result = connection.query(replaced(probes[n], "@d@", renamed));
                for (const row& line : result.rows) {
                    answer += "\n" + line[0].value_or("NULL");
                }
                answer += "\n" + std::to_string(result.affected);
            } catch (const sql_error& error) {
                answer += " " + error.sqlstate();
                connection.execute("ROLLBACK TO probe");
            }
            said.push_back(std::move(answer));
        }
        connection.execute("ROLLBACK");
        return said;
    }
};

TEST_F(random_dependents_test, mean_what_they_meant) { test(db()); }

class random_dependents_in_latin1 : public random_dependents_test {
    [[nodiscard]] std::string encoding() const override { return "LATIN1"; }
};

TEST_F(random_dependents_in_latin1, mean_what_they_meant) { test(db()); }

}  // namespace
}  // namespace pgeist::test
