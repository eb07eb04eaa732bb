// Columns kept in step, against a model of the rule: one to three and three to one, every policy, NULLs and defaults,
// every kind of statement. The seed chooses; what two sessions do at once is in_place_oracle_test's.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

using randomness = std::mt19937_64;
using fields = std::vector<field>;
using given = std::map<std::string, field>;

int pick(randomness& random, int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); }

// What the expressions do, as SQL does it.

field part(const field& whole, int number) {
    if (!whole) {
        return {};
    }
    std::string rest = *whole;
    for (; number > 1; --number) {
        const auto slash = rest.find('/');
        rest = slash == rest.npos ? "" : rest.substr(slash + 1);
    }
    return rest.substr(0, rest.find('/'));
}

fields split(const fields& whole) { return {part(whole[0], 1), part(whole[0], 2), part(whole[0], 3)}; }

fields merged(const fields& parts) {
    const bool whole = parts[0] && parts[1] && parts[2];
    return {whole ? field(*parts[0] + "/" + *parts[1] + "/" + *parts[2]) : field()};
}

/// Columns tied to each other, old and new.
struct tied {
    std::vector<std::string> olds;
    std::vector<std::string> news;
    fields (*up)(const fields&);
    fields (*down)(const fields&);
};

const tied& is_split() {
    static const tied it{{"name"}, {"first", "middle", "last"}, split, merged};
    return it;
}
const tied& is_merged() {
    static const tied it{{"p", "q", "r"}, {"pqr"}, merged, split};
    return it;
}

/// A row's columns by their names.
using row_of = std::map<std::string, field>;

fields of(const row_of& row, const std::vector<std::string>& columns) {
    fields all;
    for (const std::string& each : columns) {
        all.push_back(row.at(each));
    }
    return all;
}

void put(row_of& row, const std::vector<std::string>& columns, const fields& values) {
    for (std::size_t at = 0; at < columns.size(); ++at) {
        row[columns[at]] = values[at];
    }
}

struct conflict_refused {};

/// The rule, as docs/in_place.md says it.
class model {
public:
    model(row_of defaults, std::string policy) : defaults_(std::move(defaults)), policy_(std::move(policy)) {}

    [[nodiscard]] row_of inserted(const given& values) {
        row_of now = defaults_;
        for (const auto& [column, value] : values) {
            now[column] = value;
        }
        for (const tied* each : {&is_split(), &is_merged()}) {
            judge(*each, defaults_, now, true);
        }
        return now;
    }
    [[nodiscard]] row_of updated(const row_of& before, const given& values) {
        row_of now = before;
        for (const auto& [column, value] : values) {
            now[column] = value;
        }
        for (const tied* each : {&is_split(), &is_merged()}) {
            judge(*each, before, now, false);
        }
        return now;
    }
    [[nodiscard]] long long conflicts() const { return conflicts_; }

private:
    void judge(const tied& it, const row_of& before, row_of& now, bool is_insert) {
        const bool old_given = of(now, it.olds) != of(before, it.olds);
        const bool new_given = of(now, it.news) != of(before, it.news);
        const fields up = it.up(of(now, it.olds));
        const fields down = it.down(of(now, it.news));
        if ((!is_insert && !old_given && !new_given) || of(now, it.news) == up) {
            return;
        }
        bool old_wins = old_given;
        if (old_given && new_given) {
            if (of(now, it.olds) == down) {
                return;
            }
            ++conflicts_;
            if (policy_ == "error") {
                throw conflict_refused();
            }
            old_wins = policy_ == "old";
        } else if (!old_given && !new_given) {
            old_wins = up != fields(up.size());
        }
        if (old_wins) {
            put(now, it.news, up);
        } else {
            put(now, it.olds, down);
        }
    }

    row_of defaults_;
    std::string policy_;
    long long conflicts_ = 0;
};

const std::vector<std::string>& old_columns() {
    static const std::vector<std::string> all{"name", "p", "q", "r", "note"};
    return all;
}
const std::vector<std::string>& all_columns() {
    static const std::vector<std::string> all{"name", "p", "q", "r", "note", "first", "middle", "last", "pqr"};
    return all;
}

field some_value(randomness& random) {
    static const fields values{field(), "", "a", "b", "a/b/c", "b//", "c/d", "x/y/z/w", "a/a/a"};
    return values[static_cast<std::size_t>(pick(random, static_cast<int>(values.size())))];
}

/// Values for some of the columns that this version of the application knows.
given some_values(randomness& random, const std::vector<std::string>& known, int one_in) {
    given values;
    for (const std::string& each : known) {
        if (pick(random, one_in) == 0) {
            values[each] = some_value(random);
        }
    }
    return values;
}

std::string literal(const field& value) { return value ? "'" + *value + "'" : "NULL"; }

std::string listed(const given& values, const std::string& separator, bool with_names, bool with_values) {
    std::string text;
    for (const auto& [column, value] : values) {
        text += text.empty() ? "" : separator;
        text += with_names ? column : "";
        text += with_names && with_values ? " = " : "";
        text += with_values ? literal(value) : "";
    }
    return text;
}

class in_step_oracle : public run_test {
protected:
    static constexpr int rows = 12;

    void make(randomness& random, const std::string& policy) {
        sql().execute("DROP TABLE IF EXISTS t");
        std::string columns;
        row_of defaults;
        for (const std::string& each : all_columns()) {
            defaults[each] = pick(random, 2) == 0 ? field() : some_value(random);
        }
        for (const std::string& each : old_columns()) {
            columns += ", " + each + " text DEFAULT " + literal(defaults[each]);
        }
        sql().execute("CREATE TABLE t (id int PRIMARY KEY" + columns + ")");
        model_.emplace(defaults, policy);
        table_.clear();
        for (int id = 1; id <= rows / 2; ++id) {
            row_of values;
            std::string text = std::to_string(id);
            for (const std::string& each : old_columns()) {
                values[each] = some_value(random);
                text += ", " + literal(values[each]);
            }
            sql().execute("INSERT INTO t VALUES (" + text + ")");
            put(values, is_split().news, split({values["name"]}));
            put(values, is_merged().news, merged({values["p"], values["q"], values["r"]}));
            table_[id] = values;
        }
        old_version_.emplace(db().connect());
        old_version_->prepare("insert_old", "INSERT INTO t (id, name, p, q, r) VALUES ($1, $2, $3, $4, $5)");
        old_version_->prepare("update_old", "UPDATE t SET name = $2, q = $3 WHERE id = $1");
        std::vector<std::string> arguments{"--table", "t", "--conflict", policy};
        for (const char* each : {"first", "middle", "last", "pqr"}) {
            arguments.insert(arguments.end(),
                             {"--add", std::string(each) + " text DEFAULT " + literal(defaults[each])});
        }
        arguments.insert(
            arguments.end(),
            {"--up", "first = split_part(name, '/', 1)", "--up", "middle = split_part(name, '/', 2)", "--up",
             "last = split_part(name, '/', 3)", "--down", "name = first || '/' || middle || '/' || last", "--up",
             "pqr = p || '/' || q || '/' || r", "--down", "p = split_part(pqr, '/', 1)", "--down",
             "q = split_part(pqr, '/', 2)", "--down", "r = split_part(pqr, '/', 3)"});
        ASSERT_TRUE(exited(command("expand", arguments), 0));
    }

    /// One statement of one of both versions, in a transaction of some level; then the row must be what the rule says.
    void one(randomness& random) {
        const int id = 1 + pick(random, rows);
        const auto found = table_.find(id);
        const bool is_old = pick(random, 2) == 0;
        const given values = some_values(random, is_old ? old_columns() : all_columns(), pick(random, 3) + 2);
        std::optional<row_of> expected;
        doing_.clear();
        static const char* levels[] = {"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};
        const bool as_replica = pick(random, 4) == 0;
        old_version_->execute(std::string("BEGIN ISOLATION LEVEL ") + levels[pick(random, 3)]);
        if (as_replica) {
            old_version_->execute("SET LOCAL session_replication_role = replica");
        }
        bool refused = false;
        try {
            expected = found == table_.end() ? insert(random, id, values) : change(random, id, found->second, values);
        } catch (const conflict_refused&) {
            refused = true;
        }
        std::string state;
        try {
            run_();
        } catch (const sql_error& problem) {
            state = problem.sqlstate() == "23000" ? "23000" : problem.sqlstate() + " " + problem.what();
        }
        old_version_->execute(state.empty() ? "COMMIT" : "ROLLBACK");
        ASSERT_EQ(state, refused ? "23000" : "") << doing_;
        if (!refused) {
            if (expected) {
                table_[id] = *expected;
            } else {
                table_.erase(id);
            }
        }
        expect_row(id);
    }

    void expect_row(int id) {
        std::string columns;
        for (const std::string& each : all_columns()) {
            columns += (columns.empty() ? "" : ", ") + each;
        }
        const auto is = sql().query("SELECT " + columns + " FROM t WHERE id = $1", {std::to_string(id)}).rows;
        const auto wanted = table_.find(id);
        ASSERT_EQ(is.size(), wanted == table_.end() ? 0 : 1) << doing_;
        if (wanted != table_.end()) {
            EXPECT_EQ(is[0], of(wanted->second, all_columns())) << doing_;
        }
    }

    [[nodiscard]] long long conflicts() const { return model_->conflicts(); }

private:
    void will(std::string statement) {
        doing_ = statement;
        run_ = [this, statement = std::move(statement)] { old_version_->execute(statement); };
    }
    void will_run(std::string prepared, std::vector<field> values) {
        doing_ = prepared;
        run_ = [this, prepared = std::move(prepared), values = std::move(values)] {
            old_version_->query_prepared(prepared, values);
        };
    }

    std::optional<row_of> insert(randomness& random, int id, const given& values) {
        const std::string key = std::to_string(id);
        const std::string names = "id" + std::string(values.empty() ? "" : ", ") + listed(values, ", ", true, false);
        const std::string literals = key + (values.empty() ? "" : ", ") + listed(values, ", ", false, true);
        switch (pick(random, 4)) {
            case 0: {
                std::string line = key;
                for (const auto& [column, value] : values) {
                    line += value ? ",\"" + *value + "\"" : ",";
                }
                will("COPY t (" + names + ") FROM PROGRAM 'echo ''" + line + "''' (FORMAT csv)");
                break;
            }
            case 1:
                if (old_version_->server_major() >= 15) {
                    will("MERGE INTO t USING (VALUES (" + key +
                         ")) AS s (key) ON t.id = s.key WHEN NOT MATCHED THEN INSERT (" + names + ") VALUES (" +
                         literals + ")");
                    break;
                }
                [[fallthrough]];
            case 2: {
                const given old{{"name", some_value(random)},
                                {"p", some_value(random)},
                                {"q", some_value(random)},
                                {"r", some_value(random)}};
                will_run("insert_old", {key, old.at("name"), old.at("p"), old.at("q"), old.at("r")});
                return model_->inserted(old);
            }
            default:
                will("INSERT INTO t (" + names + ") VALUES (" + literals + ")");
        }
        return model_->inserted(values);
    }

    std::optional<row_of> change(randomness& random, int id, const row_of& before, const given& values) {
        const std::string key = std::to_string(id);
        const std::string where = " WHERE id = " + key;
        const std::string sets = listed(values, ", ", true, true);
        switch (pick(random, values.empty() ? 2 : 7)) {
            case 0:
                will("DELETE FROM t" + where);
                return {};
            case 1: {
                const given old{{"name", some_value(random)}, {"q", some_value(random)}};
                will_run("update_old", {key, old.at("name"), old.at("q")});
                return model_->updated(before, old);
            }
            case 2: {
                // An upsert: BEFORE INSERT triggers see the row first, and EXCLUDED is what they made of it.
                std::string taken;
                for (const auto& [column, value] : values) {
                    taken += (taken.empty() ? "" : ", ") + column + " = EXCLUDED." + column;
                }
                will("INSERT INTO t (id, " + listed(values, ", ", true, false) + ") VALUES (" + key + ", " +
                     listed(values, ", ", false, true) + ") ON CONFLICT (id) DO UPDATE SET " + taken);
                const row_of proposed = model_->inserted(values);
                given by_proposal;
                for (const auto& [column, value] : values) {
                    by_proposal[column] = proposed.at(column);
                }
                return model_->updated(before, by_proposal);
            }
            case 3: {
                // An ORM that writes all columns as it has read them, but those that it has changed.
                given all = values;
                for (const std::string& each : all_columns()) {
                    all.try_emplace(each, before.at(each));
                }
                will("UPDATE t SET " + listed(all, ", ", true, true) + where);
                return model_->updated(before, all);
            }
            case 4:
                if (old_version_->server_major() >= 15) {
                    will("MERGE INTO t USING (VALUES (" + key +
                         ")) AS s (key) ON t.id = s.key WHEN MATCHED THEN UPDATE SET " + sets);
                    break;
                }
                [[fallthrough]];
            default:
                will("UPDATE t SET " + sets + where);
        }
        return model_->updated(before, values);
    }

    std::optional<model> model_;
    std::map<int, row_of> table_;
    std::optional<sync_connection> old_version_;
    std::function<void()> run_;
    std::string doing_;
};

TEST_F(in_step_oracle, every_statement_leaves_what_the_rule_says) {
    const std::uint64_t seed = workload_seed();
    randomness random(seed);
    for (const std::string policy : {"new", "old", "error"}) {
        SCOPED_TRACE("seed " + std::to_string(seed) + ", --conflict " + policy);
        make(random, policy);
        for (int id = 1; id <= rows; ++id) {
            expect_row(id);
        }
        for (int left = 250; left > 0 && !HasFailure(); --left) {
            one(random);
        }
        ASSERT_FALSE(HasFailure());
        const auto job = only_job(db().uri());
        EXPECT_EQ(number_of(job, "conflicts").value_or(-1), conflicts());
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_proc WHERE proname = 'keep_in_step' AND proconfig IS NOT NULL"),
                  0)
            << "all that these expressions call is bound";
        ASSERT_TRUE(exited(command("cleanup", {text_of(job, "job")}), 0));
    }
}

}  // namespace
}  // namespace pgeist::test
