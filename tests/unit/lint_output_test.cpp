// The formats, field by field; and that a finding keeps its mark when only lines move.

#include <gtest/gtest.h>

#include <set>

#include <boost/json.hpp>

#include "lint_test.hpp"

namespace pgeist::lint {
namespace {

namespace json = boost::json;

const char* const sample =
    "CREATE INDEX i ON t (a);\n-- pgeist-ignore ban-drop-table not used\nDROP TABLE \"a,b\";\nDO $$ BEGIN EXECUTE x; "
    "END $$;\n"
    "ALTER TABLE t RENAME a TO b;\n";

std::vector<json::value> lines_of(const std::string& text) {
    std::vector<json::value> values;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t end = text.find('\n', from);
        values.push_back(json::parse(text.substr(from, end - from)));
        from = end + 1;
    }
    return values;
}

TEST(as_json, has_the_fields_of_the_contract) {
    const auto lines = lines_of(as_json(test::checked(sample), {}, 1));
    const std::set<std::string> wanted{"event",   "file",      "line",     "column",   "rule",      "level",
                                       "message", "statement", "locks",    "rewrites", "scans",     "builds",
                                       "bytes",   "blocks_ms", "evidence", "instead",  "suppressed"};
    for (std::size_t at = 0; at + 1 < lines.size(); ++at) {
        for (const std::string& each : wanted) {
            EXPECT_TRUE(lines[at].as_object().contains(each)) << each;
        }
    }
    const json::object& first = lines.front().as_object();
    EXPECT_EQ(first.at("event").as_string(), "finding");
    EXPECT_EQ(first.at("line").as_int64(), 1);
    EXPECT_EQ(first.at("locks").as_array().at(0).at("mode").as_string(), "SHARE");
    EXPECT_EQ(first.at("locks").as_array().at(0).at("relation").as_string(), "public.t");
    EXPECT_EQ(first.at("builds").as_array().at(0).as_string(), "public.i");
    EXPECT_TRUE(first.at("blocks_ms").is_null());
    EXPECT_EQ(first.at("evidence").as_string(), "static");
    const json::object& result = lines.back().as_object();
    EXPECT_EQ(result.at("event").as_string(), "result");
    EXPECT_EQ(result.at("exit_code").as_int64(), 1);
    EXPECT_EQ(result.at("files").as_int64(), 1);
    EXPECT_EQ(result.at("statements").as_int64(), 4);
    EXPECT_EQ(result.at("findings").as_int64(), static_cast<std::int64_t>(lines.size()) - 1);
    EXPECT_EQ(result.at("not_analysed").as_array().at(0).at("line").as_int64(), 4);
}

TEST(as_sarif, is_a_log_of_2_1_0) {
    const json::value log = json::parse(as_sarif(test::checked(sample), {}, "1.2"));
    EXPECT_EQ(log.at("version").as_string(), "2.1.0");
    const json::value& run = log.at("runs").as_array().at(0);
    const json::array& rules = run.at("tool").at("driver").at("rules").as_array();
    EXPECT_EQ(rules.size(), rule_texts().size());
    bool suppressed = false;
    for (const json::value& each : run.at("results").as_array()) {
        const auto index = static_cast<std::size_t>(each.at("ruleIndex").as_int64());
        EXPECT_EQ(rules.at(index).at("id").as_string(), each.at("ruleId").as_string());
        EXPECT_FALSE(each.at("message").at("text").as_string().empty());
        EXPECT_FALSE(each.at("partialFingerprints").as_object().empty());
        EXPECT_GE(each.at("locations").as_array().at(0).at("physicalLocation").at("region").at("startLine").as_int64(),
                  1);
        if (each.at("ruleId").as_string() == "ban-drop-table") {
            suppressed = true;
            EXPECT_EQ(each.at("suppressions").as_array().at(0).at("kind").as_string(), "inSource");
            EXPECT_EQ(each.at("suppressions").as_array().at(0).at("justification").as_string(), "not used");
        }
    }
    EXPECT_TRUE(suppressed);
    EXPECT_EQ(run.at("columnKind").as_string(), "unicodeCodePoints");
}

TEST(as_github, escapes_what_its_runner_reads) {
    const std::string text = as_github(test::checked("CREATE INDEX i ON \"50%,\n:x\" (a);\n", {}, "a,b:c%.sql"));
    EXPECT_TRUE(text.starts_with(
        "::error file=a%2Cb%3Ac%25.sql,line=1,endLine=2,col=1,title=pgeist%3A require-concurrent-index-creation::"))
        << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    EXPECT_NE(text.find("50%25,%0A:x"), std::string::npos) << text;
    const std::string sampled = as_github(test::checked(sample));
    EXPECT_EQ(sampled.find("ban-drop-table"), std::string::npos) << "ignored";
    EXPECT_NE(sampled.find("::warning "), std::string::npos);
    EXPECT_NE(sampled.find("not analysed"), std::string::npos);
}

TEST(as_gitlab, has_the_fields_of_a_code_quality_report) {
    const json::value issues = json::parse(as_gitlab(test::checked(sample, {}, "./db/m.sql")));
    std::set<std::string> prints;
    ASSERT_FALSE(issues.as_array().empty());
    for (const json::value& each : issues.as_array()) {
        EXPECT_FALSE(each.at("description").as_string().empty());
        EXPECT_FALSE(each.at("check_name").as_string().empty());
        EXPECT_TRUE(prints.insert(std::string(each.at("fingerprint").as_string())).second);
        const std::string severity(each.at("severity").as_string());
        EXPECT_TRUE(severity == "info" || severity == "minor" || severity == "major") << severity;
        EXPECT_EQ(each.at("location").at("path").as_string(), "db/m.sql");
        EXPECT_GE(each.at("location").at("lines").at("begin").as_int64(), 1);
        EXPECT_NE(each.at("check_name").as_string(), "ban-drop-table") << "ignored";
    }
    EXPECT_EQ(as_gitlab(test::checked("SELECT 1;")), "[]\n");
}

TEST(as_markdown, quotes_what_is_markup) {
    const std::string text =
        as_markdown(test::checked("CREATE INDEX i ON t (a) WHERE b = '|`<x>';\nDO $$ BEGIN EXECUTE x; END $$;"), {});
    EXPECT_NE(text.find("### Migration check"), std::string::npos);
    EXPECT_NE(text.find("``"), std::string::npos) << "one backquote more than in the statement";
    EXPECT_NE(text.find("\\|"), std::string::npos);
    EXPECT_NE(text.find("Not analysed"), std::string::npos);
    EXPECT_NE(text.find("```sql\nCREATE INDEX CONCURRENTLY i ON t"), std::string::npos) << text;
}

TEST(as_text, shows_the_place) {
    const std::string text = as_text(test::checked("SELECT 1;\n  CREATE INDEX i ON t (a);"), {}, {});
    EXPECT_NE(text.find("m.sql:2:3: error: "), std::string::npos) << text;
    EXPECT_NE(text.find("    2 |   CREATE INDEX i ON t (a);\n      |   ^\n"), std::string::npos) << text;
    EXPECT_NE(text.find("instead: CREATE INDEX CONCURRENTLY i ON t (a);"), std::string::npos) << text;
    EXPECT_NE(text.find("2 statements in 1 file: 1 error"), std::string::npos) << text;
    const std::string hostile = as_text(test::checked("CREATE INDEX \"\x1b[31m\" ON t (a);"), {}, {});
    EXPECT_EQ(hostile.find('\x1b'), std::string::npos) << "names cannot steer the terminal";
    text_style coloured;
    coloured.colour = true;
    EXPECT_NE(as_text(test::checked("CREATE INDEX i ON t (a);"), {}, coloured).find("\x1b[1;31m"), std::string::npos);
}

std::set<std::string> prints_of(const std::string& file) {
    std::set<std::string> prints;
    for (const finding& each : test::checked(file).findings) {
        prints.insert(each.fingerprint);
    }
    return prints;
}

TEST(fingerprints, stay_when_only_lines_move) {
    const std::string file = "CREATE INDEX i ON t (a);\nDROP TABLE u;\nCREATE INDEX i2 ON t (a);";
    const auto before = prints_of(file);
    EXPECT_EQ(prints_of("-- a comment\n\n\n" + file), before);
    EXPECT_EQ(prints_of("CREATE  INDEX i\n  ON t (a); DROP TABLE u; CREATE INDEX /* c */ i2 ON t (a);"), before);
    const auto more = prints_of("SELECT 1;\nVACUUM FULL z;\n" + file);
    EXPECT_TRUE(more.contains(*before.begin()));
    const report twice = test::checked("DROP TABLE u; DROP TABLE u;");
    std::set<std::string> prints;
    for (const finding& each : twice.findings) {
        EXPECT_TRUE(prints.insert(each.fingerprint).second) << each.rule;
    }
}

TEST(documents, name_every_rule) {
    for (const rule_text& each : rule_texts()) {
        EXPECT_NE(rules_markdown().find("\n### " + std::string(each.name) + "\n"), std::string::npos);
        EXPECT_NE(rules_list().find(each.name), std::string::npos);
        EXPECT_NE(explanation(each).find(each.recipe), std::string::npos);
    }
}

}  // namespace
}  // namespace pgeist::lint
