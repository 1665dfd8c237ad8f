# The smallest application with Rails and Devise, whose users need no database. clients/recipes.py puts in what docs/auth.md says.
require "action_controller/railtie"
require "active_model/railtie"
require "devise"

class Application < Rails::Application
  config.load_defaults 6.1
  config.eager_load = false
  config.secret_key_base = SecureRandom.hex(64)
  config.logger = Logger.new($stderr)

  routes.append do
    devise_for :users, skip: :all
    get "/csrf", to: "logins#csrf"
    post "/login", to: "logins#create"
    post "/live/ticket", to: "tickets#create"
  end
end

Devise.setup { |config| config.secret_key = Application.config.secret_key_base }

class User
  include ActiveModel::Model
  include ActiveModel::Validations::Callbacks
  extend Devise::Models
  attr_accessor :id

  def to_key = [id]
  def authenticatable_salt = "salt"
  def self.to_adapter = self
  def self.get(key) = new(id: key.first)
  devise
end

Application.initialize!

class ApplicationController < ActionController::Base
end

class LoginsController < ApplicationController
  skip_forgery_protection

  def csrf = render(plain: form_authenticity_token)

  def create
    sign_in User.new(id: Integer(params.require(:user)))
    head :no_content
  end
end

# docs/auth.md: Tickets

require "rack/handler/webrick"
Rack::Handler::WEBrick.run(Application, Host: "127.0.0.1", Port: Integer(ENV.fetch("PORT")))
