<?php
// The smallest application with Symfony, whose users log in by a form. clients/recipes.py puts into TicketController.php what docs/auth.md says.

namespace App;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Bundle\SecurityBundle\SecurityBundle;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;
use Symfony\Component\Security\Core\User\PasswordAuthenticatedUserInterface;
use Symfony\Component\Security\Core\User\UserInterface;
use Symfony\Component\Security\Core\User\UserProviderInterface;

foreach (['Bundle/FrameworkBundle', 'Bundle/SecurityBundle', 'Component/HttpClient', 'Component/Yaml'] as $package) {
    require_once "Symfony/$package/autoload.php";
}
require_once __DIR__ . '/TicketController.php';

class User implements UserInterface, PasswordAuthenticatedUserInterface
{
    public function __construct(private string $name) {}
    public function getId(): int { return (int) $this->name; }
    public function getUserIdentifier(): string { return $this->name; }
    public function getUsername(): string { return $this->name; }
    public function getPassword(): string { return 'secret'; }
    public function getSalt(): ?string { return null; }
    public function getRoles(): array { return ['ROLE_USER']; }
    public function eraseCredentials(): void {}
}

class Users implements UserProviderInterface
{
    public function loadUserByIdentifier(string $name): User { return new User($name); }
    public function loadUserByUsername(string $name): User { return new User($name); }
    public function refreshUser(UserInterface $user): User { return $user; }
    public function supportsClass(string $class): bool { return $class === User::class; }
}

class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function registerBundles(): iterable { return [new FrameworkBundle(), new SecurityBundle()]; }
    public function getProjectDir(): string { return __DIR__; }
    public function csrf(): Response { return new Response(''); }

    protected function configureContainer(ContainerConfigurator $container): void
    {
        $session = ['storage_factory_id' => 'session.storage.factory.native', 'save_path' => __DIR__ . '/sessions'];
        $container->extension('framework', ['secret' => 'of this run', 'session' => $session, 'http_client' => []]);
        $form = ['login_path' => '/login', 'check_path' => '/login', 'default_target_path' => '/csrf', 'username_parameter' => 'user', 'password_parameter' => 'password'];
        $container->extension('security', [
            'enable_authenticator_manager' => true,
            'password_hashers' => [User::class => 'plaintext'],
            'providers' => ['users' => ['id' => Users::class]],
            'firewalls' => ['main' => ['provider' => 'users', 'form_login' => $form]],
        ]);
        $container->services()->set(Users::class)->set(TicketController::class)->autowire()->autoconfigure();
        $container->import(__DIR__ . '/services.yaml');
    }

    protected function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->import(__DIR__ . '/TicketController.php', 'annotation');
        $routes->add('csrf', '/csrf')->controller('kernel::csrf');
        $routes->add('login', '/login');
    }
}

$kernel = new Kernel('prod', false);
$request = Request::createFromGlobals();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
