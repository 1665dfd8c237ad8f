// The smallest application with Express that has sessions. clients/recipes.py puts in what docs/auth.md says.
const express = require(process.env.EXPRESS);
const session = require("express-session");

const app = express();
app.use(session({ secret: "of this run", resave: false, saveUninitialized: false }));

app.get("/csrf", (req, res) => res.type("text").send(""));
app.post("/login", express.urlencoded({ extended: false }), (req, res) => {
  req.session.user = { id: Number(req.body.user) };
  res.sendStatus(204);
});

function requireUser(req, res, next) {
  if (!req.session.user) return res.sendStatus(401);
  req.user = req.session.user;
  next();
}

// docs/auth.md: Your application decides

// docs/auth.md: Tickets

app.listen(Number(process.env.PORT), "127.0.0.1");
