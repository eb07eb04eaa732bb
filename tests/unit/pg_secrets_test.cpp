// Passwords in conninfo strings of every form, and in what libpq says about those it cannot read.

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "pgeist/pg/secrets.hpp"

namespace pgeist::pg {
namespace {

std::uint64_t seed() {
    const char* given = std::getenv("PGEIST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : 20241;
}

TEST(Secrets, AreTakenOutOfUris) {
    EXPECT_EQ(without_passwords("postgresql://u:s3cret@h:5432/db"), "postgresql://u:***@h:5432/db");
    EXPECT_EQ(without_passwords("postgres://u:a@b:c@h/db"), "postgres://u:***@h/db");
    EXPECT_EQ(without_passwords("postgresql://h/db?user=u&password=s3cret&sslmode=require"),
              "postgresql://h/db?user=u&password=***&sslmode=require");
    EXPECT_EQ(without_passwords("postgresql://h/db?pass%77ord=s3cret"), "postgresql://h/db?pass%77ord=***");
    EXPECT_EQ(without_passwords("postgresql://u@h:5432/db"), "postgresql://u@h:5432/db");
}

TEST(Secrets, AreTakenOutOfKeywordStrings) {
    EXPECT_EQ(without_passwords("host=h password=s3cret dbname=d"), "host=h password=*** dbname=d");
    EXPECT_EQ(without_passwords("host=h password = 'a b\\'c' dbname=d"), "host=h password = *** dbname=d");
    EXPECT_EQ(without_passwords("sslpassword=x\\ y host=h"), "sslpassword=*** host=h");
    EXPECT_EQ(without_passwords("password=s3 cret host=h"), "password=***");  // nobody knows where it ends
    EXPECT_EQ(without_passwords("passwords"), "passwords");                   // a database
}

TEST(Secrets, AreTakenOutOfMessages) {
    connect_options options;
    options.set("dbname", "host=h password=s3 cret");
    EXPECT_EQ(harmless_message("missing \"=\" after \"cret\" in connection info string", options),
              "missing \"...\" in connection info string");
    connect_options uri;
    uri.set("dbname", "postgresql://u:s3@cret@h/db");
    EXPECT_EQ(harmless_message("could not translate host name \"cret@h\" to address", uri),
              "could not translate host name \"...\" to address");
    connect_options plain;
    plain.set("dbname", "postgresql://u:s3cret@h/db");
    EXPECT_EQ(harmless_message("connection to server at \"h\" failed: s3cret", plain),
              "connection to server at \"h\" failed: ***");
}

std::string random_text(std::mt19937_64& random, std::size_t length) {
    static const std::string letters = "abXY019 '\"\\@:/?&=%#[],;\t\n~$";
    std::uniform_int_distribution<std::size_t> pick(0, letters.size() - 1);
    std::string text;
    while (text.size() < length) {
        text += letters[pick(random)];
    }
    return text;
}

std::string quoted(const std::string& value) {
    std::string text = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') {
            text += '\\';
        }
        text += c;
    }
    return text + "'";
}

std::string percent_encoded(const std::string& value) {
    static const char* digits = "0123456789ABCDEF";
    std::string text;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        text += '%';
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

/// However a password looks and is written, it never comes through, and the rest of the string still reads the same.
TEST(Secrets, NeverComeThroughWhateverTheyLookLike) {
    std::cout << "PGEIST_SEED=" << seed() << std::endl;
    std::mt19937_64 random(seed());
    for (int round = 0; round < 20'000; ++round) {
        const std::string secret = "Zq7" + random_text(random, 1 + random() % 12) + "7qZ";
        const bool uri = random() % 2 == 0;
        const std::string conninfo = uri ? "postgresql://user:" + percent_encoded(secret) + "@host.example:5432/shop"
                                         : "host=host.example password=" + quoted(secret) + " dbname=shop";
        const std::string shown = without_passwords(conninfo);
        ASSERT_EQ(shown.find("Zq7"), std::string::npos) << conninfo;
        ASSERT_EQ(shown.find(percent_encoded("Zq7")), std::string::npos) << conninfo;
        ASSERT_NE(shown.find("host.example"), std::string::npos) << conninfo;
        ASSERT_NE(shown.find("shop"), std::string::npos) << conninfo;
    }
}

/// Written without any quoting, as people do: whatever libpq makes of it, and says about it, the password stays out.
TEST(Secrets, NeverComeThroughTheMessagesOfLibpq) {
    std::mt19937_64 random(seed());
    for (int round = 0; round < 20'000; ++round) {
        const std::string part = "Zq7" + random_text(random, 1 + random() % 8) + "Kx9";
        const bool uri = random() % 2 == 0;
        const std::string conninfo = uri ? "postgresql://user:" + part + "@127.0.0.1:1/shop"
                                         : "host=127.0.0.1 password=" + part + " dbname=shop";
        connect_options options;
        options.set("dbname", conninfo);
        char* message = nullptr;
        PQconninfoOption* parsed = PQconninfoParse(conninfo.c_str(), &message);
        if (parsed == nullptr) {
            const std::string said = harmless_message(message, options);
            ASSERT_EQ(said.find("Zq7"), std::string::npos) << conninfo << ": " << said;
            ASSERT_EQ(said.find("Kx9"), std::string::npos) << conninfo << ": " << said;
        }
        PQconninfoFree(parsed);
        PQfreemem(message);
        ASSERT_EQ(without_passwords(conninfo).find("Zq7"), std::string::npos) << conninfo;
    }
}

TEST(Secrets, TextOfAnyKindEndsTheLook) {
    std::mt19937_64 random(seed());
    for (int round = 0; round < 20'000; ++round) {
        const std::string text = random_text(random, random() % 40);
        for (const std::string& each : {text, "postgresql://" + text, "password=" + text, "password" + text}) {
            const std::string shown = without_passwords(each);
            ASSERT_LE(shown.size(), each.size() + 3 * (1 + each.size() / 8)) << each;
        }
    }
}

}  // namespace
}  // namespace pgeist::pg
